#include "kernels/round_rows_check.h"

#include <cstdint>
#include <string>

#include "kernels/check_message.h"

namespace ablate::kernels {
namespace {

constexpr const char* kKernel = "round_rows";
constexpr int64_t kMaxRows = int64_t{1} << 31, kMaxLength = int64_t{1} << 26;

}  // namespace

std::string CheckRoundRows(const RoundRowsArgs& args, int64_t n_rows) {
  if (n_rows < 0 || n_rows > kMaxRows) return OutOfRange(kKernel, "n_rows", n_rows, 0, kMaxRows);
  if (args.d < 1 || args.d > kMaxLength) return OutOfRange(kKernel, "d", args.d, 1, kMaxLength);
  return n_rows == 0 ? "" : CheckPointers(kKernel, {{"x", args.x, alignof(float)}}, "there are rows");
}

}  // namespace ablate::kernels
