// Handles of the CUDA runtime that free themselves.
#pragma once

#include <cuda_runtime_api.h>

#include <memory>
#include <type_traits>

namespace ablate::kernels {

struct DestroyCudaHandle {
  void operator()(cudaGraph_t graph) const { cudaGraphDestroy(graph); }
  void operator()(cudaGraphExec_t graph) const { cudaGraphExecDestroy(graph); }
  void operator()(cudaEvent_t event) const { cudaEventDestroy(event); }
};

template <typename Handle>
using CudaOwned = std::unique_ptr<std::remove_pointer_t<Handle>, DestroyCudaHandle>;

}  // namespace ablate::kernels
