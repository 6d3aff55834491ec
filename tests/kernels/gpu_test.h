// For the tests of kernels on a GPU: a fixture, memory there, and errors as failures.
#pragma once

#include <cuda_runtime_api.h>

#include <vector>

#include "gtest/gtest.h"

namespace ablate::kernels {

inline void AssertCuda(cudaError_t error, const char* call) {
  ASSERT_EQ(error, cudaSuccess) << call << ": " << cudaGetErrorString(error);
}

#define ASSERT_CUDA(call) ASSERT_NO_FATAL_FAILURE(AssertCuda((call), #call))

// A copy of host memory on the device, freed with it.
template <typename T>
class DeviceCopy {
 public:
  DeviceCopy(const std::vector<T>& host, cudaStream_t stream) : size_(host.size()) {
    // Never null, as a std::vector may be.
    error_ = cudaMalloc(&data_, size_ * sizeof(T) + 16);
    if (error_ == cudaSuccess) {
      error_ = cudaMemcpyAsync(data_, host.data(), size_ * sizeof(T), cudaMemcpyHostToDevice, stream);
    }
  }
  DeviceCopy(const DeviceCopy&) = delete;
  DeviceCopy& operator=(const DeviceCopy&) = delete;
  ~DeviceCopy() { cudaFree(data_); }

  T* data() { return static_cast<T*>(data_); }
  cudaError_t error() const { return error_; }
  // Waits for the stream.
  cudaError_t CopyBack(std::vector<T>& host, cudaStream_t stream) const {
    const cudaError_t error = cudaMemcpyAsync(host.data(), data_, size_ * sizeof(T), cudaMemcpyDeviceToHost, stream);
    return error == cudaSuccess ? cudaStreamSynchronize(stream) : error;
  }

 private:
  size_t size_;
  void* data_ = nullptr;
  cudaError_t error_ = cudaSuccess;
};

// Skipped where no GPU can be used.
class GpuTest : public testing::Test {
 protected:
  void SetUp() override {
    int devices = 0;
    const cudaError_t error = cudaGetDeviceCount(&devices);
    if (error != cudaSuccess || devices == 0) {
      GTEST_SKIP() << "no GPU can be used here (" << cudaGetErrorString(error) << "): the kernel is compiled, not run";
    }
    ASSERT_CUDA(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking));
  }
  void TearDown() override {
    if (stream_ == nullptr) return;
    ASSERT_CUDA(cudaStreamDestroy(stream_));
  }

  cudaStream_t stream_ = nullptr;
};

}  // namespace ablate::kernels
