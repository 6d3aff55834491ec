#include "kernels/attend_check.h"

#include <cstdint>
#include <string>

#include "kernels/check_message.h"

namespace ablate::kernels {
namespace {

constexpr const char* kKernel = "attend";
constexpr int64_t kMaxRows = int64_t{1} << 31;
constexpr int32_t kMaxHeads = 1 << 16;

}  // namespace

std::string CheckAttend(const AttendArgs<float>& args, int64_t n_rows) {
  if (n_rows < 0 || n_rows > kMaxRows) return OutOfRange(kKernel, "n_rows", n_rows, 0, kMaxRows);
  if (args.n_heads < 1 || args.n_heads > kMaxHeads) return OutOfRange(kKernel, "n_heads", args.n_heads, 1, kMaxHeads);
  if (args.d_head < 1 || args.d_head > kAttendMaxHeadSize) {
    return OutOfRange(kKernel, "d_head", args.d_head, 1, kAttendMaxHeadSize);
  }
  if (!(args.scale > 0)) return WrongArgument(kKernel, "scale", std::to_string(args.scale), "more than 0");
  if (n_rows == 0) return "";
  std::string problem = CheckPointers(kKernel,
                                      {{"qkv", args.qkv, alignof(float)},
                                       {"rows", args.rows, alignof(AttendRow)},
                                       {"z", args.z, alignof(float)},
                                       {"bias", args.bias, alignof(float)}},
                                      "there are rows");
  if (problem.empty() && args.z == args.qkv) problem = WrongArgument(kKernel, "z", "qkv", "memory of its own");
  return problem;
}

}  // namespace ablate::kernels
