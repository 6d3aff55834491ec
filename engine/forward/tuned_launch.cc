#include "engine/forward/tuned_launch.h"

#include <c10/core/Allocator.h>
#include <c10/util/Exception.h>

#include <array>
#include <cstddef>
#include <utility>

#include "engine/forward/cuda_launch.h"
#include "kernels/time_launches.h"

namespace ablate {
namespace {

thread_local std::optional<std::chrono::steady_clock::time_point> measures_until;

void Measure(const kernels::LaunchKind& kind, cudaStream_t stream, LaunchInBlocks launch, const at::Tensor& changed,
             kernels::BlockShapes& known) {
  if (std::chrono::steady_clock::now() >= *measures_until) return;
  at::Tensor before;
  try {
    if (changed.defined()) before = changed.clone();
  } catch (const c10::OutOfMemoryError&) {
    return;  // another time, perhaps
  }
  known.Measure(
      kind,
      [&](kernels::BlockShape shape, int runs) {
        return kernels::TimeLaunches(runs, stream, [&] { return launch(shape, stream) == cudaSuccess; });
      },
      *measures_until);
  if (changed.defined()) changed.copy_(before, /*non_blocking=*/true);
}

}  // namespace

MeasuringScope::MeasuringScope(std::chrono::milliseconds most)
    : before_(std::exchange(measures_until, std::chrono::steady_clock::now() + most)) {}

MeasuringScope::~MeasuringScope() {
  measures_until = before_;
}

std::optional<std::chrono::steady_clock::time_point> MeasuringScope::Deadline() {
  return measures_until;
}

void LaunchTuned(const char* name, const kernels::LaunchKind& kind, const at::Tensor& out, LaunchInBlocks launch,
                 const at::Tensor& changed) {
  const cudaStream_t stream = StreamOf(out);
  kernels::BlockShapes& known = BlockShapesOn(out.device());
  if (measures_until.has_value() && known.WouldMeasure(kind)) Measure(kind, stream, launch, changed, known);
  CheckLaunch(name, launch(known.Of(kind), stream));
}

kernels::BlockShapes& BlockShapesOn(c10::Device device) {
  static auto* const devices = new std::array<kernels::BlockShapes, 64>();
  return devices->at(static_cast<size_t>(device.index()));
}

}  // namespace ablate
