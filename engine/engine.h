// The engine: a GPT-2 on one device that runs batches of scans. No torch header is included here.
//
//   auto engine = Engine::Load({.model_dir = "models/demo"});
//   engine.value()->Run(scans, [](ReadoutBlock block) { ... });
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "engine/model/tokenizer.h"
#include "engine/plan/sweep.h"
#include "engine/plan/work.h"
#include "engine/types.h"

namespace ablate {

struct EngineOptions {
  // Folder in the layout of Hugging Face's GPT-2: config.json, model.safetensors (or shards with their index),
  // vocab.json and merges.txt (or tokenizer.json).
  std::string model_dir;
  // `auto` (the first usable GPU, else the CPU), `cpu` or `cuda:N`.
  std::string device = "auto";
  Precision precision = Precision::kFloat32;
  // CPU threads; 0: one a core.
  int32_t threads = 0;
  // Bytes that forward passes may take beside the weights, on device and host together; 0: half of what is free once
  // the model is loaded. Passes get as many tokens as fit. What cannot be cut (plan.h) may exceed it.
  int64_t memory_budget_bytes = 0;
  // Most packed tokens in a layer of one forward pass; 0: as many as the memory budget holds, at most 16,384 on the CPU
  // and 65,536 on a GPU. What cannot be cut may exceed it. Scans with effects or heads' outputs, which take memory
  // too, get passes of fewer tokens.
  int64_t max_packed_tokens = 0;
  // On a GPU: a pass whose shape has come before is recorded and from then on queued by one launch.
  bool cuda_graphs = true;
  // A row's bits depend neither on what runs beside it nor on how a plan is cut, or FailedPrecondition: where the
  // self-test finds that this machine does not keep it. On a GPU it costs, effects excepted (docs/gpu.md, "Numbers");
  // the CPU's ops are made so in any case.
  bool batch_invariant = false;
  // On a GPU: folder for what is measured of it once, a small file for each kind of GPU and version of cuBLASLt, which
  // processes may share. Empty: measured anew in each process.
  std::string gpu_cache_dir = "";
};

// Everything that Describe and the manifest tell.
struct EngineInfo {
  int32_t n_layers = 0, n_heads = 0, d_model = 0, d_head = 0, d_mlp = 0;
  int32_t vocab_size = 0, n_positions = 0;
  int64_t n_parameters = 0;
  double layer_norm_epsilon = 0;
  int32_t bos_token_id = 0;
  std::string weights_sha256, tokenizer_sha256;
  std::string device, device_name, torch_version;
  // Why `auto` took the CPU; empty where it did not, or was not asked to choose.
  std::string why_cpu;
  Precision precision = Precision::kFloat32;
  // All that the device computes in, that one among them; float32 in front.
  std::vector<Precision> precisions = {Precision::kFloat32};
  int32_t threads = 0;
  int64_t max_packed_tokens = 0;
  int64_t memory_budget_bytes = 0;
  // Packed tokens x layers a second in the fastest run of the self-test, whose scans are small: larger ones exceed it.
  double self_test_cost_per_second = 0;
  // What the start-up self-test found: a row's bits do not depend on its neighbours. On a GPU: where it was asked for.
  bool batch_invariant = false;
};

// How a Run went.
struct RunStats {
  // Packed tokens x layers that were planned, those that ran again behind a lack of memory included.
  int64_t cost = 0;
  // Rows entering layers, summed over the layers, likewise.
  int64_t rows_in = 0;
  int64_t plan_ns = 0;
  // Readouts included. On a GPU what the passes took of its stream's time, while the next one was planned.
  int64_t forward_ns = 0;
  // Of these, behind the last layer: final LayerNorm, LM head, and what is measured on the logits.
  int64_t readout_ns = 0;
  // Most bytes of tensors that existed at once beside the weights, on device and host together: with the buffers that
  // earlier Runs left for reuse, and with what Runs between two chunks took.
  int64_t peak_bytes = 0;
  // How often memory for tensors was asked for. On the CPU never by a scan like one before, but for effects, heads'
  // outputs and what other Runs between two chunks take away.
  int64_t allocations = 0;
  int32_t forward_passes = 0;
  // Of these, on a GPU, those that were recorded before and queued by one launch.
  int32_t replayed_passes = 0;
  // How often memory ran out and what was left went on in chunks of half the size.
  int32_t out_of_memory_retries = 0;
};

// Takes the blocks of a Run, in its thread. An error ends the Run, which returns it.
using BlockSink = std::function<absl::Status(ReadoutBlock block)>;

// Not thread-safe: one thread owns an engine's device. Describe, tokenizer, FoldedValueBias, Validate, Cost and Work
// are const, touch no device, and may be called from any thread.
class Engine {
 public:
  // Loads the model, warms the device up and runs the self-test. Errors name the file, tensor or option at fault.
  static absl::StatusOr<std::unique_ptr<Engine>> Load(const EngineOptions& options);
  virtual ~Engine() = default;

  virtual const EngineInfo& Describe() const = 0;
  virtual const Tokenizer& tokenizer() const = 0;
  // b_V + ln_1.bias W_V, [L, H, Dh]: what a head gives where its input is LayerNorm's bias alone, whatever it attends
  // to (the contract's `zero_keep_value_bias`).
  virtual const std::vector<double>& FoldedValueBias() const = 0;

  // InvalidArgument names the scan's field and its range.
  virtual absl::Status Validate(const Scan& scan) const = 0;
  // Packed tokens x layers of one scan on its own, from its plan.
  virtual absl::StatusOr<int64_t> Cost(const Scan& scan) const = 0;
  // What Run asks of the machine for these scans as one batch, by layer (work.h).
  virtual absl::StatusOr<PlanWork> Work(absl::Span<const Scan> scans) const = 0;

  // Runs all scans as one packed batch (in chunks where it exceeds the budget) and hands out each row's readouts
  // exactly once; a prompt's deltas, KL and top1_preserved refer to its own baseline. A row's values depend on its own
  // scan only (bit for bit where `batch_invariant`, but for effects on a GPU). ResourceExhausted: memory ran out in the
  // smallest chunks too. Where IsDeviceLost (device_lost.h), no later Run will succeed.
  virtual absl::StatusOr<RunStats> Run(absl::Span<const Scan> scans, const BlockSink& sink) = 0;
};

}  // namespace ablate
