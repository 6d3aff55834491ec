#include "kernels/gemm_shape.h"

namespace ablate::kernels {
namespace {

// The largest power of 2, up to 256, that divides the address: cuBLASLt takes 256 for granted where it is not told.
uint32_t AlignmentOf(const void* pointer) {
  const auto address = reinterpret_cast<uintptr_t>(pointer);
  uint32_t alignment = 256;
  while (address % alignment != 0) alignment /= 2;
  return alignment;
}

}  // namespace

GemmShape ShapeOf(const GemmArgs& args) {
  return {.m = args.m,
          .k = args.k,
          .n = args.n,
          .x_stride = args.x_stride,
          .weight_stride = args.weight_stride,
          .out_stride = args.out_stride,
          .weight_is_transposed = args.weight_is_transposed,
          .precision = args.precision,
          .epilogue = args.epilogue,
          .batch_invariant = args.batch_invariant,
          .x_alignment = AlignmentOf(args.x),
          .weight_alignment = AlignmentOf(args.weight),
          .bias_alignment = AlignmentOf(args.bias),
          .out_alignment = AlignmentOf(args.out)};
}

}  // namespace ablate::kernels
