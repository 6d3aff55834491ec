// PassGraphs' recorder on a GPU.
#include <c10/cuda/CUDAStream.h>
#include <c10/util/Exception.h>
#include <cuda_runtime_api.h>

#include <chrono>
#include <exception>
#include <memory>
#include <string>
#include <utility>

#include "engine/forward/pass_graphs.h"
#include "engine/forward/tuned_launch.h"
#include "kernels/cuda_owned.h"

namespace ablate {
namespace {

// What a node is taken to need on the device, its arguments and its place in the graph; generous.
constexpr int64_t kNodeBytes = 8 << 10;

class CudaGraph final : public RecordedLaunches {
 public:
  CudaGraph(kernels::CudaOwned<cudaGraphExec_t> graph, cudaStream_t stream, size_t n_nodes)
      : graph_(std::move(graph)), stream_(stream), bytes_(static_cast<int64_t>(n_nodes) * kNodeBytes) {}

  bool Launch() override {
    const cudaError_t error = cudaGraphLaunch(graph_.get(), stream_);
    if (error == cudaErrorMemoryAllocation) {
      cudaGetLastError();  // so that no later check finds this error
      return false;
    }
    TORCH_CHECK(error == cudaSuccess, "cudaGraphLaunch: ", cudaGetErrorString(error));
    return true;
  }
  int64_t bytes() const override { return bytes_; }

 private:
  kernels::CudaOwned<cudaGraphExec_t> graph_;
  cudaStream_t stream_;
  int64_t bytes_;
};

// A request waits for it, once for each kind of pass. Forty shapes of products take about half of it where a product
// takes 10 us: some 250 of them a shape, and 20 graphs. Our own launches have fewer kinds, and fewer ways.
constexpr std::chrono::milliseconds kMostMeasuring(500);

void Rehearse(absl::FunctionRef<void()> queue) {
  const MeasuringScope measuring(kMostMeasuring);
  queue();
}

std::unique_ptr<RecordedLaunches> Record(absl::FunctionRef<void()> queue) {
  const cudaStream_t stream = c10::cuda::getCurrentCUDAStream();
  std::string thrown;
  cudaGraph_t raw_graph = nullptr;
  cudaGraphExec_t raw_exec = nullptr;
  size_t n_nodes = 0;
  cudaError_t error = cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal);
  if (error == cudaSuccess) {
    try {
      queue();
    } catch (const std::exception& exception) {
      thrown = exception.what();
    }
    error = cudaStreamEndCapture(stream, &raw_graph);
  }
  const kernels::CudaOwned<cudaGraph_t> graph(raw_graph);
  if (error == cudaSuccess && thrown.empty()) {
    error = cudaGraphGetNodes(raw_graph, nullptr, &n_nodes);
    if (error == cudaSuccess) error = cudaGraphInstantiate(&raw_exec, raw_graph, 0);
    if (error == cudaSuccess)
      return std::make_unique<CudaGraph>(kernels::CudaOwned<cudaGraphExec_t>(raw_exec), stream, n_nodes);
  }
  cudaGetLastError();
  TORCH_WARN("CUDA graphs are off: a pass could not be recorded: ",
             error == cudaSuccess ? "" : cudaGetErrorString(error), " ", thrown);
  return nullptr;
}

}  // namespace

const Recorder kCudaGraphs = {&Rehearse, &Record};

}  // namespace ablate
