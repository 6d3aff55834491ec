#include "kernels/layer_norm_check.h"

#include <cstdint>
#include <string>

#include "kernels/check_message.h"

namespace ablate::kernels {
namespace {

constexpr const char* kKernel = "layer_norm";
constexpr int64_t kMaxRows = int64_t{1} << 31;
// Keeps [M, D] in bytes within int64, and a row's element index within int32.
constexpr int64_t kMaxModelSize = int64_t{1} << 24;

}  // namespace

std::string CheckLayerNorm(const LayerNormArgs<float>& args, int64_t n_rows) {
  if (n_rows < 0 || n_rows > kMaxRows) return OutOfRange(kKernel, "n_rows", n_rows, 0, kMaxRows);
  if (args.d_model < 1 || args.d_model > kMaxModelSize) {
    return OutOfRange(kKernel, "d_model", args.d_model, 1, kMaxModelSize);
  }
  if (!(args.epsilon >= 0)) return WrongArgument(kKernel, "epsilon", std::to_string(args.epsilon), "0 or more");
  if (n_rows == 0) return "";
  std::string problem = CheckPointers(kKernel,
                                      {{"x", args.x, alignof(float)},
                                       {"gamma", args.gamma, alignof(float)},
                                       {"beta", args.beta, alignof(float)},
                                       {"add", args.add, alignof(float), /*may_be_null=*/true},
                                       {"out", args.out, alignof(float)}},
                                      "there are rows");
  if (!problem.empty()) return problem;
  const auto x = reinterpret_cast<uintptr_t>(args.x), out = reinterpret_cast<uintptr_t>(args.out);
  const auto bytes = static_cast<uintptr_t>(n_rows * args.d_model) * sizeof(float);
  if ((x < out ? out - x : x - out) < bytes) return WrongArgument(kKernel, "out", "overlapping x", "memory of its own");
  return "";
}

}  // namespace ablate::kernels
