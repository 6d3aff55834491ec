// Memory with guards round it, for the tests of kernels, and the comparison of its bits.
#pragma once

#include <cstdint>
#include <cstring>
#include <vector>

#include "gtest/gtest.h"

namespace ablate::kernels {

// Elements with guards on both sides. `offset` elements more than a multiple of 16 bytes from the start.
template <typename T>
struct GuardedBuffer {
  static constexpr int64_t kGuard = 16;

  GuardedBuffer() = default;
  GuardedBuffer(int64_t n_elements, int64_t offset, T value)
      : begin(kGuard + offset), size(n_elements), all(begin + size + kGuard, value) {}

  T* data() { return all.data() + begin; }
  const T* data() const { return all.data() + begin; }
  T& operator[](int64_t i) { return all[begin + i]; }
  const T& operator[](int64_t i) const { return all[begin + i]; }

  int64_t begin = 0, size = 0;
  std::vector<T> all;
};

// Bit for bit, guards included; names the first element that differs.
template <typename T>
testing::AssertionResult SameBits(const GuardedBuffer<T>& actual, const GuardedBuffer<T>& expected) {
  if (actual.all.size() != expected.all.size() || actual.begin != expected.begin) {
    return testing::AssertionFailure() << "shapes differ: " << actual.size << " and " << expected.size;
  }
  for (size_t i = 0; i < actual.all.size(); ++i) {
    if (std::memcmp(&actual.all[i], &expected.all[i], sizeof(T)) == 0) continue;
    return testing::AssertionFailure() << "element " << static_cast<int64_t>(i) - actual.begin << " of " << actual.size
                                       << " is " << actual.all[i] << ", expected " << expected.all[i];
  }
  return testing::AssertionSuccess();
}

}  // namespace ablate::kernels
