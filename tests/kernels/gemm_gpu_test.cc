// gemm by cuBLASLt on a GPU against float64. What needs no GPU runs everywhere.
#include <cuda_runtime_api.h>

#include <algorithm>
#include <bit>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "kernels/gemm_cublaslt.h"
#include "tests/kernels/gpu_test.h"

namespace ablate::kernels {
namespace {

constexpr double kUnit = std::numeric_limits<float>::epsilon() / 2;

struct GemmCase {
  int64_t m, k, n;
  // Elements behind each row of x, weight and out.
  int64_t gap = 0;
  bool weight_is_transposed = false;
};

// Of GPT-2 Small's layers, with few rows and many; of odd sizes; the unembedding, whose rows are padded.
constexpr GemmCase kGemmCases[] = {{16, 768, 2304},  {145, 768, 3072},          {1000, 3072, 768}, {1, 7, 5},
                                   {33, 65, 129, 3}, {12, 768, 5025, 15, true}, {3, 5, 7, 1, true}};

float ToBf16(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  return std::bit_cast<float>((bits + 0x7FFFU + ((bits >> 16U) & 1U)) & 0xFFFF0000U);
}

class GemmGpuTest : public GpuTest {
 protected:
  void ExpectMatchesFloat64(const GemmCase& c, GemmPrecision precision, GemmEpilogue epilogue) {
    SCOPED_TRACE(testing::Message() << c.m << " x " << c.k << " x " << c.n << ", precision "
                                    << static_cast<int>(precision) << ", epilogue " << static_cast<int>(epilogue));
    const bool is_bf16 = precision == GemmPrecision::kBf16;
    const int64_t x_stride = c.k + c.gap, out_stride = c.n + c.gap;
    const int64_t weight_rows = c.weight_is_transposed ? c.n : c.k;
    const int64_t weight_stride = (c.weight_is_transposed ? c.k : c.n) + c.gap;
    std::vector<float> x = Normal(c.m * x_stride, 1, is_bf16), weight = Normal(weight_rows * weight_stride, 2, is_bf16);
    const std::vector<float> bias = Normal(c.n, 3, false), before = Normal(c.m * out_stride, 4, false);
    std::vector<float> out = before;
    DeviceCopy<float> x_floats(x, stream_), weight_floats(weight, stream_), bias_device(bias, stream_),
        out_device(out, stream_);
    DeviceCopy<uint16_t> x_halves(Halves(x), stream_), weight_halves(Halves(weight), stream_);
    DeviceCopy<char> workspace(std::vector<char>(size_t{32} << 20U), stream_);
    ASSERT_CUDA(workspace.error());
    CublasLt cublas_lt(workspace.data(), size_t{32} << 20U);
    const bool has_bias = epilogue == GemmEpilogue::kGeluTanh;
    const GemmArgs args = {.x = is_bf16 ? static_cast<void*>(x_halves.data()) : x_floats.data(),
                           .weight = is_bf16 ? static_cast<void*>(weight_halves.data()) : weight_floats.data(),
                           .bias = has_bias ? bias_device.data() : nullptr,
                           .out = out_device.data(),
                           .m = c.m,
                           .k = c.k,
                           .n = c.n,
                           .x_stride = x_stride,
                           .weight_stride = weight_stride,
                           .out_stride = out_stride,
                           .weight_is_transposed = c.weight_is_transposed,
                           .precision = precision,
                           .epilogue = epilogue};
    bool has_algorithm = false;
    ASSERT_EQ(cublas_lt.Run(args, stream_, &has_algorithm), "");
    if (!has_algorithm) {
      // The only one that the engine can do without, at the price of two passes more.
      ASSERT_EQ(epilogue, GemmEpilogue::kGeluTanh);
      RecordProperty("gelu_not_fused_in_precision_" + std::to_string(static_cast<int>(precision)), "true");
      EXPECT_THAT(cublas_lt.Run(args, stream_), testing::HasSubstr("no algorithm"));
      return;
    }
    ASSERT_CUDA(out_device.CopyBack(out, stream_));
    for (int64_t i = 0; i < c.m; ++i) {
      // Of large results a part: the reference is one core's.
      for (int64_t j = 0; j < out_stride; j += 1 + out_stride * c.m / 40'000) {
        const auto at = static_cast<size_t>(i * out_stride + j);
        if (j >= c.n) {
          ASSERT_EQ(out[at], before[at]) << "written behind row " << i;
          continue;
        }
        double sum = epilogue == GemmEpilogue::kAddTo ? static_cast<double>(before[at]) : 0, magnitude = std::abs(sum);
        for (int64_t l = 0; l < c.k; ++l) {
          const int64_t w = c.weight_is_transposed ? j * weight_stride + l : l * weight_stride + j;
          const double term = static_cast<double>(x[static_cast<size_t>(i * x_stride + l)]) *
                              static_cast<double>(weight[static_cast<size_t>(w)]);
          sum += term;
          magnitude += std::abs(term);
        }
        // k roundings of partial sums at worst; TF32 cuts each factor to 10 bits of fraction, on some GPUs towards 0.
        double tolerance = magnitude * (static_cast<double>(c.k) + 2) * kUnit;
        if (precision == GemmPrecision::kTf32) tolerance += magnitude * std::ldexp(2.01, -10);
        if (has_bias) {
          const double y = sum + static_cast<double>(bias[static_cast<size_t>(j)]);
          sum = 0.5 * y * (1 + std::tanh(std::sqrt(2 / M_PI) * (y + 0.044715 * y * y * y)));
          // gelu's slope is below 1.13; its own operations, tanh among them, err by some units of y.
          tolerance = 1.13 * tolerance + 32 * kUnit * (1 + std::abs(y));
        }
        ASSERT_NEAR(static_cast<double>(out[at]), sum, tolerance) << "row " << i << ", column " << j;
      }
    }
  }

  static std::vector<float> Normal(int64_t size, uint32_t seed, bool rounds) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    std::vector<float> values(static_cast<size_t>(size));
    for (float& value : values) value = rounds ? ToBf16(normal(random)) : normal(random);
    return values;
  }

 private:
  static std::vector<uint16_t> Halves(const std::vector<float>& values) {
    std::vector<uint16_t> halves;
    halves.reserve(values.size());
    for (const float value : values) halves.push_back(static_cast<uint16_t>(std::bit_cast<uint32_t>(value) >> 16U));
    return halves;
  }
};

TEST_F(GemmGpuTest, MatchesFloat64) {
  int major = 0;
  ASSERT_CUDA(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, 0));
  for (const GemmCase& c : kGemmCases) {
    for (const GemmPrecision precision : {GemmPrecision::kFloat32, GemmPrecision::kTf32, GemmPrecision::kBf16}) {
      // Turing has neither (engine/forward/device.h, CheckGpuPrecision).
      if (precision != GemmPrecision::kFloat32 && major < 8) continue;
      for (const GemmEpilogue epilogue : {GemmEpilogue::kNone, GemmEpilogue::kGeluTanh, GemmEpilogue::kAddTo}) {
        ExpectMatchesFloat64(c, precision, epilogue);
      }
    }
  }
}

// float32, without gaps between rows.
GemmArgs Contiguous(const float* x, const float* weight, float* out, int64_t m, int64_t k, int64_t n) {
  return {
      .x = x, .weight = weight, .out = out, .m = m, .k = k, .n = n, .x_stride = k, .weight_stride = n, .out_stride = n};
}

// What is measured is among what cuBLASLt has, and gives the same product within float32's rounding.
TEST_F(GemmGpuTest, MeasuresWithoutChangingTheProduct) {
  const int64_t m = 48, k = 768, n = 3072;
  DeviceCopy<float> x(Normal(m * k, 1, false), stream_), weight(Normal(k * n, 2, false), stream_);
  const std::vector<float> before = Normal(m * n, 3, false);
  DeviceCopy<float> out(before, stream_), scratch(before, stream_);
  DeviceCopy<char> workspace(std::vector<char>(size_t{32} << 20U), stream_);
  CublasLt cublas_lt(workspace.data(), size_t{32} << 20U);
  GemmArgs args = Contiguous(x.data(), weight.data(), out.data(), m, k, n);
  args.epilogue = GemmEpilogue::kAddTo;
  ASSERT_EQ(cublas_lt.Measure(args, scratch.data(), stream_, std::chrono::steady_clock::time_point::max()), "");
  std::vector<float> after(before.size());
  ASSERT_CUDA(out.CopyBack(after, stream_));
  EXPECT_EQ(after, before) << "measuring wrote to what is added to";
  ASSERT_EQ(cublas_lt.measured().size(), 1U) << "streams cannot be recorded here";
  EXPECT_GT(cublas_lt.measured()[0].microseconds, 0);
  std::vector<float> plain = before;
  {
    DeviceCopy<float> plain_out(before, stream_);
    CublasLt unmeasured(workspace.data(), size_t{32} << 20U);
    GemmArgs plain_args = args;
    plain_args.out = plain_out.data();
    ASSERT_EQ(unmeasured.Run(plain_args, stream_), "");
    ASSERT_CUDA(plain_out.CopyBack(plain, stream_));
  }
  ASSERT_EQ(cublas_lt.Run(args, stream_), "");
  ASSERT_CUDA(out.CopyBack(after, stream_));
  // Sums of 768 products of normal numbers: twice their root mean square error of float32, with room for the largest.
  for (size_t i = 0; i < after.size(); ++i) ASSERT_NEAR(after[i], plain[i], 64 * std::sqrt(768.0) * kUnit);
}

TEST_F(GemmGpuTest, BatchInvariantRowsHaveTheSameBitsWhateverIsBeside) {
  const int64_t most = 4096, k = 768, n = 768;
  DeviceCopy<float> x(Normal(most * k, 1, false), stream_), weight(Normal(k * n, 2, false), stream_);
  DeviceCopy<char> workspace(std::vector<char>(size_t{32} << 20U), stream_);
  CublasLt cublas_lt(workspace.data(), size_t{32} << 20U);
  std::vector<float> first;
  for (const int64_t m : {int64_t{16}, int64_t{48}, int64_t{512}, int64_t{1040}, most}) {
    DeviceCopy<float> out(std::vector<float>(static_cast<size_t>(m * n)), stream_);
    GemmArgs args = Contiguous(x.data(), weight.data(), out.data(), m, k, n);
    args.batch_invariant = true;
    ASSERT_EQ(cublas_lt.Run(args, stream_), "");
    std::vector<float> rows(static_cast<size_t>(m * n));
    ASSERT_CUDA(out.CopyBack(rows, stream_));
    rows.resize(static_cast<size_t>(16 * n));
    if (first.empty()) first = rows;
    EXPECT_EQ(rows, first) << m << " rows";
  }
}

TEST(CublasLtTest, RefusesBadArgumentsWithoutTouchingADevice) {
  CublasLt cublas_lt(nullptr, 0);
  EXPECT_EQ(cublas_lt.Run({}, nullptr), "gemm: k is 0; expected 1 to 2147483647");
  EXPECT_EQ(cublas_lt.Run({.k = 1, .n = 1, .x_stride = 1, .weight_stride = 1, .out_stride = 1}, nullptr), "");
}

}  // namespace
}  // namespace ablate::kernels
