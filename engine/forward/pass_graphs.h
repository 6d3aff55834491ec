// Forward passes recorded as CUDA graphs: a pass whose kind has come before is one launch instead of a hundred.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>

#include "absl/functional/function_ref.h"
#include "engine/forward/device_tables.h"
#include "engine/forward/pass_cache.h"
#include "engine/forward/workspace.h"
#include "engine/model/config.h"
#include "engine/plan/plan.h"

namespace ablate {

// What a device recorded, to be queued again.
class RecordedLaunches {
 public:
  virtual ~RecordedLaunches() = default;
  // Queues it on the stream that it was recorded on. False where the device refuses, which it may do for want of
  // memory: nothing is queued then.
  virtual bool Launch() = 0;
  // What it takes of the device's memory, about.
  virtual int64_t bytes() const = 0;
};

// How a device records.
struct Recorder {
  // Runs `queue` for the last time before it is recorded: what is chosen or loaded at a first launch, which a recording
  // runs none of, is so here.
  void (*rehearse)(absl::FunctionRef<void()> queue);
  // Records what `queue` queues on the current stream, without running it. Null where the device will not.
  std::unique_ptr<RecordedLaunches> (*record)(absl::FunctionRef<void()> queue);
};

// By CUDA; at the rehearsal the pass's products and launches are measured (tuned_launch.h). The current stream is not
// the default one.
extern const Recorder kCudaGraphs;

// Of one engine, for the thread that owns the device. A recorded pass runs in a room that is larger than its chunk, so
// cuBLASLt may take other algorithms there, and bits may differ from those of a pass that was not recorded.
class PassGraphs {
 public:
  // Config and workspace outlive this.
  PassGraphs(const GptConfig& config, Workspace& workspace, const Recorder& recorder)
      : config_(config), workspace_(workspace), recorder_(recorder) {}

  // Queues a pass from N tokens on, with these tables, on the current stream: kernels and products only, in buffers of
  // the workspace alone. Gives the residual [M, D] that leaves the last layer, in one of the residual slots.
  using Layers = absl::FunctionRef<at::Tensor(const DeviceTables& tables, int64_t n)>;

  // What `layers` gives for the chunk: by a recorded pass where one holds it; recorded now, behind the run, where one
  // of its kind came before; else run. Throws what ATen throws.
  at::Tensor Run(const Chunk& chunk, const PackedTokens& tokens, const at::Tensor& edit_table, const PassDevice& on,
                 Layers layers);

  // As a pass in front of its recording.
  void Rehearse(absl::FunctionRef<void()> queue) { recorder_.rehearse(queue); }

  // Frees all.
  void Clear() { recorded_.Clear(); }

  // How many passes were recorded, and how many were queued by what was recorded before.
  int64_t n_recorded() const { return n_recorded_; }
  int64_t n_replayed() const { return n_replayed_; }

  // Tokens that enter and leave the layers of the largest pass that is recorded. A larger one keeps the device busy for
  // so long that its launches do not count, and a room for it would.
  static constexpr int64_t kMostTokens = int64_t{1} << 16;
  // Entries of the largest edit table that a recorded pass has a copy of: a mean for each of 144 heads at 112
  // positions.
  static constexpr int64_t kMostEntries = int64_t{1} << 14;
  // Of tables and recordings on the device.
  static constexpr int64_t kMostBytes = int64_t{64} << 20;

 private:
  struct Recorded {
    DeviceTables tables;
    std::unique_ptr<RecordedLaunches> launches;
    // Where the result lies.
    Slot slot;
    int64_t rows;
  };

  at::Tensor RunPlainly(const Chunk& chunk, const PackedTokens& tokens, const at::Tensor& edit_table,
                        const PassDevice& on, Layers layers);
  // Runs the chunk in its room, and records that.
  at::Tensor RunAndRecord(const Chunk& chunk, const PackedTokens& tokens, const at::Tensor& edit_table,
                          const PassDevice& on, Layers layers);
  // Where the workspace has moved, recordings hold addresses that are nobody's.
  void DropStale();

  const GptConfig& config_;
  Workspace& workspace_;
  const Recorder recorder_;
  PassCache<Recorded> recorded_{kMostBytes};
  int64_t generation_ = 0;
  bool can_record_ = true;
  int64_t n_recorded_ = 0, n_replayed_ = 0;
};

}  // namespace ablate
