// What every implementation of layer_norm is held to, host and device alike: seeded rows, and float64's answer with the
// tolerance that follows from the order of the sums.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "kernels/layer_norm.h"
#include "tests/kernels/guarded_buffer.h"

namespace ablate::kernels {

// Row lengths: within a pack, off packs, of GPT-2's models, and one that no registers hold.
inline constexpr int64_t kLayerNormSizes[] = {1, 3, 16, 65, 96, 144, 768, 1280, 1600, 2048, 2052, 5000};

template <typename T>
struct LayerNormProblem {
  // `offset`: elements more than a multiple of 16 bytes from the start of each buffer.
  LayerNormProblem(int64_t rows, int64_t d, int64_t offset, double mean = 0.3, double scale = 2)
      : n_rows(rows),
        d_model(d),
        x(Filled(rows * d, offset, 21, mean, scale)),
        gamma(Filled(d, offset, 22, 1, 0.3)),
        beta(Filled(d, offset, 23, 0, 1)),
        add(Filled(d, offset, 24, 0, 1)),
        out(rows * d, offset, kUnwritten) {}

  LayerNormArgs<T> Args(bool with_add = false) {
    return {.x = x.data(),
            .gamma = gamma.data(),
            .beta = beta.data(),
            .add = with_add ? add.data() : nullptr,
            .epsilon = static_cast<T>(1e-5),
            .out = out.data(),
            .d_model = d_model};
  }

  static constexpr T kUnwritten = T{-1234567};

  int64_t n_rows, d_model;
  GuardedBuffer<T> x;      // [M, D]
  GuardedBuffer<T> gamma;  // [D]
  GuardedBuffer<T> beta;   // [D]
  GuardedBuffer<T> add;    // [D]
  GuardedBuffer<T> out;    // [M, D]

 private:
  static GuardedBuffer<T> Filled(int64_t size, int64_t offset, uint32_t seed, double mean, double scale) {
    GuardedBuffer<T> buffer(size, offset, kUnwritten);
    std::mt19937 random(seed);
    std::normal_distribution<double> normal(mean, scale);
    for (int64_t i = 0; i < size; ++i) buffer[i] = static_cast<T>(normal(random));
    return buffer;
  }
};

// What `out` should be, of `x` as it was, in float64; a message about the first element that is off. `chain`: the most
// additions in a row that one sum takes. With u one rounding, n the chain and a the largest |x|: the mean errs by at
// most n u a, x - mean by that and a rounding, the variance relatively by about n u and (from the mean) (n u a)^2 /
// variance, half of which reaches the root.
template <typename T>
std::string FindLayerNormError(const LayerNormProblem<T>& p, const GuardedBuffer<T>& x_before, double chain) {
  constexpr double kUnit = std::numeric_limits<T>::epsilon() / 2;
  const auto d = static_cast<double>(p.d_model);
  for (int64_t row = 0; row < p.n_rows; ++row) {
    const T* x = x_before.data() + row * p.d_model;
    double mean = 0, variance = 0, largest = 0;
    for (int64_t i = 0; i < p.d_model; ++i) mean += static_cast<double>(x[i]) / d;
    for (int64_t i = 0; i < p.d_model; ++i) {
      variance += std::pow(static_cast<double>(x[i]) - mean, 2) / d;
      largest = std::max(largest, std::abs(static_cast<double>(x[i])));
    }
    const double root = std::sqrt(variance + static_cast<double>(static_cast<T>(1e-5)));
    const double mean_error = kUnit * chain * largest;
    const double relative = kUnit * (chain + 8) + std::pow(mean_error / root, 2);
    for (int64_t i = 0; i < p.d_model; ++i) {
      const double normal = (static_cast<double>(x[i]) - mean) / root;
      const auto gamma = static_cast<double>(p.gamma[i]), beta = static_cast<double>(p.beta[i]);
      const double expected = normal * gamma + beta;
      const double tolerance = std::abs(gamma) * (std::abs(normal) * relative + mean_error / root) +
                               2 * kUnit * (std::abs(expected) + std::abs(beta));
      const auto actual = static_cast<double>(p.out[row * p.d_model + i]);
      // False for a NaN too.
      if (std::abs(actual - expected) <= tolerance && std::isfinite(tolerance)) continue;
      return "row " + std::to_string(row) + ", element " + std::to_string(i) + " of " + std::to_string(p.d_model) +
             " is " + std::to_string(actual) + ", expected " + std::to_string(expected) + " within " +
             std::to_string(tolerance);
    }
  }
  return "";
}

// That `rounded`'s result is bfloat16, in the first half of each row, within half a unit of `exact`'s.
inline void ExpectRounded(const LayerNormProblem<float>& rounded, const LayerNormProblem<float>& exact) {
  for (int64_t row = 0; row < exact.n_rows; ++row) {
    const auto* halves = reinterpret_cast<const uint16_t*>(rounded.out.data() + row * exact.d_model);
    for (int64_t i = 0; i < exact.d_model; ++i) {
      const float value = std::bit_cast<float>(static_cast<uint32_t>(halves[i]) << 16U);
      const float want = exact.out[row * exact.d_model + i];
      ASSERT_LE(std::abs(value - want), std::ldexp(std::abs(want), -8)) << "row " << row << ", element " << i;
    }
  }
}

}  // namespace ablate::kernels
