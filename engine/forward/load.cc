// Engine::Load: from a model folder to a warm engine.

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <c10/core/DeviceGuard.h>
#include <c10/core/StreamGuard.h>
#include <torch/version.h>

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/engine.h"
#include "engine/forward/attend_crossover.h"
#include "engine/forward/caught.h"
#include "engine/forward/compute_mode.h"
#include "engine/forward/device.h"
#include "engine/forward/gemm_cuda.h"
#include "engine/forward/gpt_engine.h"
#include "engine/forward/host.h"
#include "engine/forward/kept_tuning.h"
#include "engine/forward/readout_cuda.h"
#include "engine/forward/self_test.h"
#include "engine/forward/token_budget.h"
#include "engine/forward/tuned_launch.h"
#include "engine/forward/weight_layout.h"
#include "engine/forward/weights.h"
#include "engine/model/checkpoint.h"
#include "engine/model/config.h"
#include "kernels/attend_check.h"

namespace ablate {
namespace {

constexpr int32_t kMostThreads = 1024;

// MKL reads this before its first GEMM. Without it, MKL's AVX-512 code on Intel's processors splits the sums of some
// shapes among its threads, so that a row's bits depend on how many rows there are and on the threads: measured at K
// 3072, N 768 with 2 threads. Strict reproducibility costs nothing there. What the user has set stays. Other processors
// are left alone: strict mode is for Intel's AVX2 and AVX-512 code, and on an EPYC the self-test finds nothing amiss
// without it.
void AskMklForReproducibility() {
  if (__builtin_cpu_is("intel")) setenv("MKL_CBWR", "AUTO,STRICT", /*overwrite=*/0);
}

double CostPerSecond(const RunStats& stats) {
  return 1e9 * static_cast<double>(stats.cost) / static_cast<double>(stats.plan_ns + stats.forward_ns);
}

// A budget that holds no pass at all.
absl::Status CheckMemoryBudget(const EngineOptions& options, const GptConfig& config, c10::Device device) {
  if (options.memory_budget_bytes == 0) return absl::OkStatus();
  const int64_t least = LeastMemoryBudget(config, options.precision, KindOf(device));
  if (options.memory_budget_bytes >= least) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("memory_budget_bytes: got ", options.memory_budget_bytes, ", expected 0 (automatic) or at least ",
                   least, ", what the smallest forward pass of ", options.model_dir, " takes (--memory-budget)"));
}

// What was asked for, and what ATen's attention, which takes larger heads, does not promise.
absl::Status CheckBatchInvariant(const EngineOptions& options, const GptConfig& config, c10::Device device) {
  if (!options.batch_invariant || !device.is_cuda() || config.d_head <= kernels::kAttendMaxHeadSize) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(absl::StrCat("batch_invariant: ", options.model_dir, " has heads of ",
                                                    config.d_head, " elements, on a GPU expected at most ",
                                                    kernels::kAttendMaxHeadSize, " (--batch-invariant)"));
}

DeviceUse UseOf(const EngineOptions& options, const GptConfig& config, c10::Device device) {
  DeviceUse use;
  if (device.is_cpu()) return use;
  use.records = options.cuda_graphs;
  use.batch_invariant = options.batch_invariant;
  use.overlaps = true;
  if (!options.gpu_cache_dir.empty()) {
    use.kept_tuning = std::make_shared<KeptTuning>(CublasLtOf(device), BlockShapesOn(device),
                                                   TuningFile(options.gpu_cache_dir, TuningPlatformOf(device)),
                                                   [](const std::string& warning) { TORCH_WARN(warning); });
  }
  if (!options.batch_invariant) {
    use.own_attention = MeasureOwnAttention(config, options.precision, device);
    MeasureReadoutBlocks(config, device);
  }
  return use;
}

void DescribeGeometry(const GptConfig& config, EngineInfo& info) {
  info.n_layers = config.n_layers;
  info.n_heads = config.n_heads;
  info.d_model = config.d_model;
  info.d_head = config.d_head;
  info.d_mlp = config.d_mlp;
  info.vocab_size = config.vocab_size;
  info.n_positions = config.n_positions;
  info.n_parameters = ParameterCount(config);
  info.layer_norm_epsilon = config.layer_norm_epsilon;
}

// Warms the engine up, and finds out what it may promise of its bits. The CPU's ops are made to keep it, and a GPU's
// where that was asked for; the test looks whether this machine's libraries play along. Else nothing is promised of
// cuBLASLt, which picks tiles by shape.
absl::Status Test(const EngineOptions& options, GptEngine& engine) {
  const EngineInfo& info = engine.Describe();
  double best_rate = 0;  // many of its runs are small, and the first warms up
  const auto run = [&](const RunLimits& limits, absl::Span<const Scan> scans, const BlockSink& sink) {
    auto stats = engine.RunWithin(limits, scans, sink);
    if (stats.ok() && limits.threads == info.threads) best_rate = std::max(best_rate, CostPerSecond(*stats));
    return stats;
  };
  bool keeps = false;
  if (info.device == "cpu" || options.batch_invariant) {
    const absl::StatusOr<bool> found = IsBatchInvariant(info, run);
    if (!found.ok()) return found.status();
    keeps = *found;
  } else if (absl::Status status = WarmUp(info, run); !status.ok()) {
    return status;
  }
  if (options.batch_invariant && !keeps) {
    return absl::FailedPreconditionError(absl::StrCat(
        "batch_invariant: on ", info.device_name,
        " the self-test found bits that depend on what runs beside a row; leave it out (--batch-invariant)"));
  }
  engine.set_self_test(keeps, best_rate);
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Engine>> LoadOrThrow(const EngineOptions& options) {
  absl::StatusOr<DeviceChoice> choice = ChooseDevice(options.device);
  if (!choice.ok()) return choice.status();
  c10::Device& device = choice->device;
  absl::Status computes = CheckPrecision(options.precision, device);
  if (!computes.ok() && options.device == "auto" && !device.is_cpu()) {
    choice->why_cpu = std::string(computes.message());
    device = c10::Device(c10::kCPU);
    computes = CheckPrecision(options.precision, device);
  }
  if (!computes.ok()) return computes;
  const c10::OptionalDeviceGuard on_device(device);
  if (device.is_cuda()) PrepareGemm(device);
  // All on the stream that Runs take, which therefore need not wait for anything here.
  const c10::OptionalStreamGuard on_stream(device.is_cuda() ? std::optional(GemmStream(device)) : std::nullopt);
  if (options.threads < 0 || options.threads > kMostThreads) {
    return absl::InvalidArgumentError(
        absl::StrCat("threads: got ", options.threads, ", expected 0 (one a core) .. ", kMostThreads));
  }
  if (options.max_packed_tokens < 0)
    return absl::InvalidArgumentError("max_packed_tokens: expected 0 (automatic) or more");

  auto config = ReadConfig(options.model_dir);
  if (!config.ok()) return config.status();
  if (absl::Status status = CheckMemoryBudget(options, *config, device); !status.ok()) return status;
  if (absl::Status status = CheckBatchInvariant(options, *config, device); !status.ok()) return status;
  auto tokenizer = Tokenizer::Load(options.model_dir);
  if (!tokenizer.ok()) return tokenizer.status();
  if ((*tokenizer)->vocab_size() != config->vocab_size) {
    return absl::InvalidArgumentError(absl::StrCat(options.model_dir, ": the tokenizer has ",
                                                   (*tokenizer)->vocab_size(), " tokens, config.json says vocab_size ",
                                                   config->vocab_size));
  }
  auto checkpoint = Checkpoint::Open(options.model_dir, *config);
  if (!checkpoint.ok()) return checkpoint.status();

  AskMklForReproducibility();
  EngineInfo info;
  info.threads = options.threads > 0 ? options.threads : std::min(UsableCores(), kMostThreads);
  at::set_num_threads(info.threads);
  // float32 means float32: no TF32 in cuBLAS.
  at::globalContext().setAllowTF32CuBLAS(false);
  auto weights = LoadWeights(**checkpoint, *config, options.precision, device);
  if (!weights.ok()) return weights.status();
  if (device.is_cuda() && !options.batch_invariant) {
    const ComputeModeScope mode({.reads_tf32 = options.precision == Precision::kTf32});
    ArrangeWeights(*weights);
  }

  DescribeGeometry(*config, info);
  info.bos_token_id = (*tokenizer)->bos_token_id();
  info.weights_sha256 = (*checkpoint)->sha256();
  info.tokenizer_sha256 = (*tokenizer)->sha256();
  info.device = device.str();
  info.device_name = DeviceName(device);
  info.why_cpu = choice->why_cpu;
  info.torch_version = TORCH_VERSION;
  info.precisions.clear();
  for (const Precision precision : kPrecisions) {
    if (CheckPrecision(precision, device).ok()) info.precisions.push_back(precision);
  }
  info.precision = options.precision;
  info.memory_budget_bytes =
      options.memory_budget_bytes > 0 ? options.memory_budget_bytes : DefaultMemoryBudget(FreeBytes(device));
  info.max_packed_tokens = options.max_packed_tokens > 0
                               ? options.max_packed_tokens
                               : TokenBudget(*config, {options.precision, KindOf(device), info.memory_budget_bytes});

  auto engine = std::make_unique<GptEngine>(*std::move(weights), *config, *std::move(tokenizer), info,
                                            UseOf(options, *config, device));
  if (absl::Status status = Test(options, *engine); !status.ok()) return status;
  return engine;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Engine>> Engine::Load(const EngineOptions& options) {
  try {
    return LoadOrThrow(options);
  } catch (...) {
    const absl::Status status = CaughtStatus();
    const char* way_out = absl::IsResourceExhausted(status) ? "; free memory, or take a device that has more" : "";
    return absl::Status(status.code(), absl::StrCat("loading ", options.model_dir, ": ", status.message(), way_out));
  }
}

}  // namespace ablate
