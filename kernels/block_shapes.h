// Which blocks each kind of launch takes: measured here, or taken from another process.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "kernels/block_shape.h"

namespace ablate::kernels {

// Blocks that were found to be the fastest.
struct MeasuredBlockShape {
  LaunchKind kind;
  BlockShape shape;
  // Of one launch.
  double microseconds = 0;
};

// One device's. Not thread-safe.
class BlockShapes {
 public:
  // Microseconds of a launch in these blocks, as a mean of so many runs; nothing where it fails.
  using Time = std::function<std::optional<double>(BlockShape shape, int runs)>;

  // The fastest that is known, else the usual ones.
  BlockShape Of(const LaunchKind& kind) const;

  // Whether Measure would run anything.
  bool WouldMeasure(const LaunchKind& kind) const { return !measured_.contains(kind) && !failed_.contains(kind); }
  // Measures which of a kernel's shapes is the fastest, in some hundred runs, unless that is known or
  // none could be measured before; gives up at `deadline`.
  void Measure(const LaunchKind& kind, const Time& time, std::chrono::steady_clock::time_point deadline);

  // What was measured and adopted here, ordered by kind.
  std::vector<MeasuredBlockShape> measured() const;
  // How many kinds were measured here.
  int n_measured() const { return n_measured_; }
  // Takes it from another process, unless the kernel does not take such blocks. What was measured here stays.
  void Adopt(const MeasuredBlockShape& measured);

 private:
  std::map<LaunchKind, MeasuredBlockShape> measured_;
  // Of which no way could be measured.
  std::set<LaunchKind> failed_;
  int n_measured_ = 0;
};

}  // namespace ablate::kernels
