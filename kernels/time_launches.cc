#include "kernels/time_launches.h"

#include "kernels/cuda_owned.h"

namespace ablate::kernels {
namespace {

CudaOwned<cudaGraphExec_t> Record(int runs, cudaStream_t stream, const std::function<bool()>& launch) {
  if (cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal) != cudaSuccess) return nullptr;
  bool good = true;
  for (int run = 0; good && run < runs; ++run) good = launch();
  cudaGraph_t raw_graph = nullptr;
  cudaGraphExec_t raw_exec = nullptr;
  const cudaError_t ended = cudaStreamEndCapture(stream, &raw_graph);
  const CudaOwned<cudaGraph_t> graph(raw_graph);
  if (!good || ended != cudaSuccess || cudaGraphInstantiate(&raw_exec, raw_graph, 0) != cudaSuccess) return nullptr;
  return CudaOwned<cudaGraphExec_t>(raw_exec);
}

CudaOwned<cudaEvent_t> MakeEvent() {
  cudaEvent_t event = nullptr;
  return CudaOwned<cudaEvent_t>(cudaEventCreate(&event) == cudaSuccess ? event : nullptr);
}

std::optional<double> Time(cudaGraphExec_t graph, int runs, cudaStream_t stream) {
  const CudaOwned<cudaEvent_t> start = MakeEvent(), stop = MakeEvent();
  float milliseconds = 0;
  // The first launch of a graph brings it to the device.
  const bool good =
      start != nullptr && stop != nullptr && cudaGraphLaunch(graph, stream) == cudaSuccess &&
      cudaEventRecord(start.get(), stream) == cudaSuccess && cudaGraphLaunch(graph, stream) == cudaSuccess &&
      cudaEventRecord(stop.get(), stream) == cudaSuccess && cudaEventSynchronize(stop.get()) == cudaSuccess &&
      cudaEventElapsedTime(&milliseconds, start.get(), stop.get()) == cudaSuccess;
  if (!good) return std::nullopt;
  return 1e3 * static_cast<double>(milliseconds) / runs;
}

}  // namespace

std::optional<double> TimeLaunches(int runs, cudaStream_t stream, const std::function<bool()>& launch) {
  const CudaOwned<cudaGraphExec_t> graph = launch() ? Record(runs, stream, launch) : nullptr;
  const std::optional<double> microseconds = graph == nullptr ? std::nullopt : Time(graph.get(), runs, stream);
  if (!microseconds.has_value()) cudaGetLastError();  // so that no later check finds this error
  return microseconds;
}

}  // namespace ablate::kernels
