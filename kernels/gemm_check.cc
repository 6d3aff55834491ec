#include "kernels/gemm_check.h"

#include <cstdint>
#include <string>

#include "kernels/check_message.h"

namespace ablate::kernels {
namespace {

constexpr const char* kKernel = "gemm";
// Sizes and strides are ints to some of cuBLASLt's algorithms.
constexpr int64_t kMaxSize = INT32_MAX;

}  // namespace

std::string CheckGemm(const GemmArgs& args) {
  const struct {
    const char* name;
    int64_t value, least;
  } sizes[] = {{"m", args.m, 0},
               {"k", args.k, 1},
               {"n", args.n, 1},
               {"x_stride", args.x_stride, args.k},
               {"weight_stride", args.weight_stride, args.weight_is_transposed ? args.k : args.n},
               {"out_stride", args.out_stride, args.n}};
  for (const auto& [name, value, least] : sizes) {
    if (value < least || value > kMaxSize) return OutOfRange(kKernel, name, value, least, kMaxSize);
  }
  if (args.m == 0) return "";
  const size_t factor_bytes = args.precision == GemmPrecision::kBf16 ? sizeof(uint16_t) : sizeof(float);
  const bool has_bias = args.epilogue == GemmEpilogue::kGeluTanh;
  if (!has_bias && args.bias != nullptr) {
    return WrongArgument(kKernel, "bias", "set", "null, since the epilogue takes none");
  }
  std::string problem = CheckPointers(kKernel,
                                      {{"x", args.x, factor_bytes},
                                       {"weight", args.weight, factor_bytes},
                                       {"bias", args.bias, alignof(float), /*may_be_null=*/!has_bias},
                                       {"out", args.out, alignof(float)}},
                                      "there are rows");
  if (problem.empty() && (args.out == args.x || args.out == args.weight)) {
    problem = WrongArgument(kKernel, "out", "a factor", "memory of its own");
  }
  return problem;
}

}  // namespace ablate::kernels
