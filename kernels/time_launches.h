// How long launches keep a GPU busy.
#pragma once

#include <cuda_runtime_api.h>

#include <functional>
#include <optional>

namespace ablate::kernels {

// Microseconds that one of `runs` calls of `launch` takes on the device: they are recorded and queued as one graph, so
// that what the host takes for each does not count, as in a recorded pass. In front of that `launch` runs once by
// itself: what is loaded at a first launch cannot be loaded in a recording. Waits for the stream. Nothing where a
// launch returns false, or where the stream cannot be recorded (the default one, or one that is being recorded).
std::optional<double> TimeLaunches(int runs, cudaStream_t stream, const std::function<bool()>& launch);

}  // namespace ablate::kernels
