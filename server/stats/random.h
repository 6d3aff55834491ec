// Random numbers that are the same on every machine and with every compiler: the standard specifies std::mt19937_64 and
// std::seed_seq to the bit, and the only distribution is our own.
#pragma once

#include <cstdint>
#include <random>

namespace ablate::stats {

// What a stream of random numbers is for. Streams of one seed have nothing to do with each other.
enum class Stream : uint32_t { kBootstrap = 1, kSignFlips = 2, kSplit = 3 };

class Random {
 public:
  Random(uint64_t seed, Stream stream);

  // 64 random bits.
  uint64_t Bits() { return engine_(); }
  // Uniform in [0, n), n >= 1.
  uint64_t Below(uint64_t n);

 private:
  std::mt19937_64 engine_;
};

}  // namespace ablate::stats
