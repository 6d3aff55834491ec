#include "engine/forward/gpt_engine.h"

#include <ATen/Functions.h>
#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <c10/core/DeviceGuard.h>
#include <c10/core/InferenceMode.h>
#include <c10/core/StreamGuard.h>

#include <algorithm>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "engine/device_lost.h"
#include "engine/forward/caught.h"
#include "engine/forward/check_scan.h"
#include "engine/forward/chunk_runner.h"
#include "engine/forward/compute_mode.h"
#include "engine/forward/device.h"
#include "engine/forward/gemm_cuda.h"
#include "engine/forward/token_budget.h"
#include "engine/plan/plan.h"
#include "engine/scan_plan.h"

namespace ablate {
namespace {

// Unedited runs come before a scan's variants: kDonorVariant, kBaselineVariant, 0, 1, ...
constexpr int32_t kUneditedRuns = 2;

bool IsCancelled(const Scan& scan) {
  return scan.cancelled && scan.cancelled();
}

}  // namespace

GptEngine::GptEngine(Weights weights, GptConfig config, std::unique_ptr<const Tokenizer> tokenizer, EngineInfo info,
                     DeviceUse use)
    : weights_(std::move(weights)),
      config_(config),
      tokenizer_(std::move(tokenizer)),
      info_(std::move(info)),
      use_(std::move(use)),
      workspace_(weights_.wte.options()),
      memory_(std::make_shared<MemoryMeter>()) {
  if (const c10::Device device = weights_.wte.device(); device.is_cuda()) {
    stream_ = GemmStream(device);
    if (use_.records) graphs_ = std::make_unique<PassGraphs>(config_, workspace_, kCudaGraphs);
  }
  for (const LayerWeights& layer : weights_.layers) {
    const at::Tensor w_v = layer.c_attn_weight.narrow(1, 2 * config_.d_model, config_.d_model).to(at::kDouble);
    const at::Tensor b_v = layer.c_attn_bias.narrow(0, 2 * config_.d_model, config_.d_model).to(at::kDouble);
    const at::Tensor folded = (b_v + layer.ln_1_bias.to(at::kDouble).matmul(w_v)).to(at::kCPU).contiguous();  // [H, Dh]
    folded_value_bias_.insert(folded_value_bias_.end(), folded.const_data_ptr<double>(),
                              folded.const_data_ptr<double>() + folded.numel());
  }
}

absl::Status GptEngine::Validate(const Scan& scan) const {
  return CheckScan(scan, config_);
}

absl::StatusOr<int64_t> GptEngine::Cost(const Scan& scan) const {
  const auto planner = MakePlanner({&scan, 1});
  if (!planner.ok()) return planner.status();
  return planner->cost();
}

absl::StatusOr<PlanWork> GptEngine::Work(absl::Span<const Scan> scans) const {
  const auto planner = MakePlanner(scans);
  if (!planner.ok()) return planner.status();
  return planner->Work();
}

absl::StatusOr<Planner> GptEngine::MakePlanner(absl::Span<const Scan> scans) const {
  return PlannerOf(scans, PlanOptionsOf(TokensOfPass(config_, UseBeside(0), info_.max_packed_tokens, scans), scans));
}

// Where a Queue waits for the device itself, there is nothing to overlap.
bool GptEngine::Overlaps(absl::Span<const Scan> scans) const {
  return use_.overlaps && std::none_of(scans.begin(), scans.end(), [](const Scan& scan) {
           return scan.effects || static_cast<bool>(scan.on_head_outputs);
         });
}

PlanOptions GptEngine::PlanOptionsOf(int64_t max_packed_tokens, absl::Span<const Scan> scans) const {
  return {config_.n_layers, max_packed_tokens, Overlaps(scans) ? FirstPassTokens(max_packed_tokens) : 0};
}

MemoryUse GptEngine::UseBeside(int64_t held_bytes) const {
  return {info_.precision, KindOf(weights_.wte.device()), info_.memory_budget_bytes - held_bytes};
}

absl::StatusOr<RunStats> GptEngine::Run(absl::Span<const Scan> scans, const BlockSink& sink) {
  return RunWithin({info_.max_packed_tokens, info_.threads}, scans, sink);
}

// Where memory runs out, what is left runs again in chunks of half the size: on the CPU with the same bits.
absl::StatusOr<RunStats> GptEngine::RunWithin(const RunLimits& limits, absl::Span<const Scan> scans,
                                              const BlockSink& sink) {
  for (const Scan& scan : scans) {
    if (absl::Status status = Validate(scan); !status.ok()) return status;
  }
  RunStats stats;
  Delivered delivered;
  for (const Scan& scan : scans) delivered.emplace_back(kUneditedRuns + scan.variants.size());
  const MemoryMeter::Watch watch(memory_);
  // What a Run that lets this one through keeps meanwhile; the workspace is for both.
  const MemoryUse use = UseBeside(n_running_ > 0 ? watch.bytes() - workspace_.bytes() : 0);
  ++n_running_;
  const auto ended = absl::MakeCleanup([this] { --n_running_; });
  const int64_t tokens = TokensOfPass(config_, use, limits.max_packed_tokens, scans);
  // Scans with smaller passes need the room for something else, which larger ones before have left in the workspace.
  if (tokens < limits.max_packed_tokens) workspace_.Trim(PassBytes(config_, use, tokens));
  for (int64_t budget = tokens;; budget /= 2) {
    absl::Status failure;
    try {
      const c10::InferenceMode no_autograd;
      // The current device belongs to the thread, and Run may be called from another one than Load.
      const c10::OptionalDeviceGuard on_device(weights_.wte.device());
      const c10::OptionalStreamGuard on_stream(stream_);
      const ComputeModeScope mode(
          {.reads_tf32 = info_.precision == Precision::kTf32, .batch_invariant = use_.batch_invariant});
      at::set_num_threads(limits.threads);
      const absl::Status status = RunPlanned(budget, scans, sink, delivered, stats);
      tables_.Trim();
      if (use_.kept_tuning != nullptr) use_.kept_tuning->Keep();
      if (!status.ok()) return status;
      stats.peak_bytes = watch.peak_bytes();
      stats.allocations = watch.allocations();
      return stats;
    } catch (...) {
      failure = CaughtStatus();
    }
    if (const absl::Status alive = CheckAlive(weights_.wte.device()); !alive.ok()) {
      return DeviceLostError(absl::StrCat(alive.message(), "; it came up as: ", failure.message()));
    }
    // Nothing is known of the buffers now, and where memory ran out they are what can be given back.
    if (graphs_ != nullptr) graphs_->Clear();
    workspace_.Clear();
    tables_.Clear();
    if (!absl::IsResourceExhausted(failure)) return failure;
    if (budget <= kFewestTokens) {
      return absl::ResourceExhaustedError(absl::StrCat(info_.device, " is out of memory, in chunks of ", budget,
                                                       " packed tokens too: ", failure.message(),
                                                       "; free memory, or send shorter prompts"));
    }
    ++stats.out_of_memory_retries;
  }
}

absl::Status GptEngine::RunPlanned(int64_t max_packed_tokens, absl::Span<const Scan> scans, const BlockSink& sink,
                                   Delivered& delivered, RunStats& stats) {
  const int64_t start_ns = absl::GetCurrentTimeNanos();
  std::vector<PlanPrompt> prompts;
  const EditTables::Combined table = tables_.Combine(scans, weights_.wte.options());
  for (size_t i = 0; i < scans.size(); ++i) {
    prompts.push_back(AsPlanPrompt(scans[i]));
    prompts.back().first_entry = table.first_entry[i];
  }
  const absl::StatusOr<Planner> planner = Planner::Create(prompts, PlanOptionsOf(max_packed_tokens, scans));
  if (!planner.ok()) return planner.status();
  stats.plan_ns += absl::GetCurrentTimeNanos() - start_ns;
  stats.cost += planner->cost();

  const int64_t replayed_before = graphs_ == nullptr ? 0 : graphs_->n_replayed() - stats.replayed_passes;
  const PassDevice on = {weights_.wte.device(), use_.own_attention};
  ChunkRunner runner(weights_, config_, on, table.entries, scans, workspace_, graphs_.get());
  // The last chunk, not yet handed out.
  std::optional<ChunkRunner::Pending> queued;
  const bool overlaps = Overlaps(scans);
  std::vector<bool> cancelled(scans.size());
  const auto is_wanted = [&](const ReadPoint& read) {
    return !cancelled[read.prompt] && !delivered[read.prompt][kUneditedRuns + read.variant];
  };
  const auto deliver = [&](std::optional<ChunkRunner::Pending>& chunk) {
    if (!chunk.has_value()) return absl::OkStatus();
    return Deliver(*std::exchange(chunk, std::nullopt), scans, cancelled, sink, delivered, stats);
  };
  const bool lets_others = static_cast<bool>(scans[0].between_chunks);
  for (int64_t i = 0; i < planner->n_chunks(); ++i) {
    if (i > 0 && lets_others && (!scans[0].others_wait || scans[0].others_wait())) {
      if (absl::Status status = deliver(queued); !status.ok()) return status;
      // What is kept from one chunk to the next lies neither in the workspace's slots nor, alone, in tables_.
      scans[0].between_chunks();
    }
    const int64_t build_start_ns = absl::GetCurrentTimeNanos();
    const Chunk chunk = planner->Build(i);
    stats.plan_ns += absl::GetCurrentTimeNanos() - build_start_ns;
    bool is_needed = false;
    for (const ReadPoint& read : chunk.reads) {
      if (!cancelled[read.prompt]) cancelled[read.prompt] = IsCancelled(scans[read.prompt]);
      // A cut prompt's later chunks read the baseline that its first one keeps.
      is_needed |= is_wanted(read) || (chunk.keeps_baselines && !cancelled[read.prompt]);
    }
    if (!is_needed) continue;
    for (const LayerPlan& layer : chunk.layers) stats.rows_in += static_cast<int64_t>(layer.rows.size());
    std::optional<ChunkRunner::Pending> ready = runner.Queue(chunk, is_wanted);
    ++stats.forward_passes;
    if (graphs_ != nullptr) stats.replayed_passes = static_cast<int32_t>(graphs_->n_replayed() - replayed_before);
    if (overlaps) std::swap(ready, queued);
    if (absl::Status status = deliver(ready); !status.ok()) return status;
  }
  return deliver(queued);
}

absl::Status GptEngine::Deliver(ChunkRunner::Pending chunk, absl::Span<const Scan> scans,
                                const std::vector<bool>& cancelled, const BlockSink& sink, Delivered& delivered,
                                RunStats& stats) {
  ChunkRunner::Result result = std::move(chunk).Take();
  stats.forward_ns += result.forward_ns;
  stats.readout_ns += result.readout_ns;
  for (const ScanHeadOutputs& outputs : result.head_outputs) {
    // With the baseline, which may have been handed out before memory ran out.
    if (cancelled[outputs.scan] || delivered[outputs.scan][kUneditedRuns + kBaselineVariant]) continue;
    if (absl::Status status = scans[outputs.scan].on_head_outputs(Widened(outputs.z)); !status.ok()) return status;
  }
  for (ReadoutBlock& block : result.blocks) {
    const int32_t scan = block.scan;
    if (cancelled[scan]) continue;
    const std::vector<int32_t> variants = block.variant;
    if (absl::Status status = sink(std::move(block)); !status.ok()) return status;
    for (const int32_t variant : variants) delivered[scan][kUneditedRuns + variant] = true;
  }
  return absl::OkStatus();
}

}  // namespace ablate
