// A cuBLASLt that multiplies on the host, in the place of NVIDIA's: shows what is asked of it, column by column as it
// is told, and fails on demand.
#pragma once

#include <cstddef>
#include <cstdint>
#include <set>
#include <vector>

namespace ablate::kernels {

struct FakeCublasLt {
  // Of each algorithm, fastest in the library's opinion first. An algorithm's first number is its index here, its
  // second the M that it was found for.
  std::vector<double> microseconds = {10};
  std::set<uint64_t> refused;  // by cublasLtMatmulAlgoCheck
  std::set<uint64_t> failing;  // at launch
  bool fuses_gelu = true;

  struct Asked {
    uint64_t m = 0;
    int count = 0;
    uint32_t schemes = 0;
    uint32_t x_alignment = 0;
    size_t workspace_bytes = 0;
  };
  std::vector<Asked> asked;
  struct Launch {
    uint64_t algorithm = 0, found_for = 0;
  };
  std::vector<Launch> launched;  // those that were measured too
  int n_measurements = 0;
};

// The only one.
FakeCublasLt& Fake();

}  // namespace ablate::kernels
