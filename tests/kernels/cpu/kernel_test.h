// What the tests of kernels/cpu share: a suite that runs once for each instruction set that the machine has, seeded
// values, and a comparator that refuses NaN.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "kernels/cpu/isa.h"

namespace ablate::kernels::cpu {

class KernelTest : public testing::TestWithParam<Isa> {
 protected:
  void SetUp() override {
    if (!IsSupported(GetParam())) GTEST_SKIP() << "this machine has no " << Name(GetParam());
    before_ = CurrentIsa();
    SetIsa(GetParam());
  }
  void TearDown() override {
    if (IsSupported(GetParam())) SetIsa(before_);
  }

 private:
  Isa before_ = Isa::kDefault;
};

inline std::string IsaName(const testing::TestParamInfo<Isa>& info) {
  return Name(info.param);
}

#define ABLATE_FOR_EACH_ISA(suite) \
  INSTANTIATE_TEST_SUITE_P(Isa, suite, testing::Values(Isa::kDefault, Isa::kAvx2, Isa::kAvx512), IsaName)

// Half the distance from 1 to the next number: the error of one rounding.
template <typename T>
inline constexpr double kUnit = std::numeric_limits<T>::epsilon() / 2;

template <typename T>
inline constexpr T kNan = std::numeric_limits<T>::quiet_NaN();
template <typename T>
inline constexpr T kInf = std::numeric_limits<T>::infinity();

// Normal values, the same on every run.
template <typename T>
std::vector<T> Normal(int64_t n, uint32_t seed, double scale = 1, double mean = 0) {
  std::mt19937 generator(seed);
  std::normal_distribution<double> normal(mean, scale);
  std::vector<T> values(static_cast<size_t>(n));
  for (T& value : values) value = static_cast<T>(normal(generator));
  return values;
}

// Whether |actual - expected| <= tolerance; false for a NaN or an infinity in any of the three.
inline bool IsClose(double actual, double expected, double tolerance) {
  return std::isfinite(actual) && std::isfinite(expected) && std::abs(actual - expected) <= tolerance &&
         std::isfinite(tolerance);
}

// The same bits; a NaN equals itself.
template <typename T>
bool SameBits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
}

}  // namespace ablate::kernels::cpu
