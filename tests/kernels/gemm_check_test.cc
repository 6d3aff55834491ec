#include "kernels/gemm_check.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace ablate::kernels {
namespace {

TEST(GemmCheckTest, NamesWhatIsWrong) {
  float memory[64] = {};
  const GemmArgs good = {.x = memory,
                         .weight = memory + 8,
                         .out = memory + 32,
                         .m = 2,
                         .k = 4,
                         .n = 3,
                         .x_stride = 4,
                         .weight_stride = 3,
                         .out_stride = 3};
  const auto problem = [&](auto change) {
    GemmArgs args = good;
    change(args);
    return CheckGemm(args);
  };
  using Args = GemmArgs;
  EXPECT_EQ(problem([](Args&) {}), "");
  EXPECT_EQ(problem([](Args& a) { a.m = 0, a.x = a.weight = nullptr, a.out = nullptr; }), "") << "no rows, no pointers";
  EXPECT_EQ(problem([](Args& a) { a.m = -1; }), "gemm: m is -1; expected 0 to 2147483647");
  EXPECT_EQ(problem([](Args& a) { a.x_stride = 3; }), "gemm: x_stride is 3; expected 4 to 2147483647");
  EXPECT_EQ(problem([](Args& a) { a.weight_is_transposed = true; }),
            "gemm: weight_stride is 3; expected 4 to 2147483647");
  EXPECT_EQ(problem([](Args& a) { a.n = int64_t{1} << 31; }), "gemm: n is 2147483648; expected 1 to 2147483647");
  EXPECT_EQ(problem([](Args& a) { a.out = nullptr; }), "gemm: out is null; expected a pointer, since there are rows");
  EXPECT_EQ(problem([](Args& a) { a.epilogue = GemmEpilogue::kGeluTanh; }),
            "gemm: bias is null; expected a pointer, since there are rows");
  EXPECT_EQ(problem([&](Args& a) { a.bias = memory; }),
            "gemm: bias is set; expected null, since the epilogue takes none");
  EXPECT_EQ(problem([&](Args& a) { a.out = memory; }), "gemm: out is a factor; expected memory of its own");
}

}  // namespace
}  // namespace ablate::kernels
