// What the choice of a product's algorithm depends on, and the algorithm as a value that can be kept.
#pragma once

#include <array>
#include <compare>
#include <cstdint>

#include "kernels/gemm.h"

namespace ablate::kernels {

// Of GemmArgs all but the addresses, of which the alignments: bytes, powers of 2 up to 256.
struct GemmShape {
  int64_t m = 0, k = 0, n = 0;
  int64_t x_stride = 0, weight_stride = 0, out_stride = 0;
  bool weight_is_transposed = false;
  GemmPrecision precision = GemmPrecision::kFloat32;
  GemmEpilogue epilogue = GemmEpilogue::kNone;
  bool batch_invariant = false;
  uint32_t x_alignment = 0, weight_alignment = 0, bias_alignment = 0, out_alignment = 0;
  auto operator<=>(const GemmShape&) const = default;
};

GemmShape ShapeOf(const GemmArgs& args);

// cublasLtMatmulAlgo_t::data, of use to the version of cuBLASLt that made it, on the kind of GPU that it was made for.
using GemmAlgorithm = std::array<uint64_t, 8>;

// An algorithm that was found to be the fastest.
struct MeasuredGemm {
  GemmShape shape;
  GemmAlgorithm algorithm = {};
  // Of one product.
  double microseconds = 0;
};

}  // namespace ablate::kernels
