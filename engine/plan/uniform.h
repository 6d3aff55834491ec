// Uniform draws that are the same on every machine and with every compiler: the standard specifies std::mt19937_64 to
// the bit, but none of its distributions.
#pragma once

#include <cstdint>
#include <random>

namespace ablate {

// Uniform in [0, n), n >= 1. The high half of bits * n is so once the few low halves that would favour some values are
// thrown away (Lemire, "Fast random integer generation in an interval", arXiv 1805.10941).
inline uint64_t UniformBelow(std::mt19937_64& random, uint64_t n) {
  const uint64_t unfair = (0 - n) % n;  // 2^64 mod n
  while (true) {
    const unsigned __int128 product = static_cast<unsigned __int128>(random()) * n;
    if (static_cast<uint64_t>(product) >= unfair) return static_cast<uint64_t>(product >> 64);
  }
}

}  // namespace ablate
