// How this thread's ops compute on a GPU, where there is a choice.
#pragma once

namespace ablate {

struct ComputeMode {
  // Products of float32 read TF32.
  bool reads_tf32 = false;
  // A row's bits depend neither on how many there are nor on what was measured: GemmArgs::batch_invariant, and the
  // usual blocks for readouts.
  bool batch_invariant = false;
};

// While one lives, this thread's ops compute so.
class ComputeModeScope {
 public:
  explicit ComputeModeScope(ComputeMode mode);
  ~ComputeModeScope();
  ComputeModeScope(const ComputeModeScope&) = delete;
  ComputeModeScope& operator=(const ComputeModeScope&) = delete;

  // Of the innermost of this thread's.
  static ComputeMode Current();

 private:
  const ComputeMode before_;
};

}  // namespace ablate
