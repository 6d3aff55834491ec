#include "server/stats/random.h"

namespace ablate::stats {
namespace {

// std::mt19937_64 takes a seed sequence by reference, so that it needs a name.
std::mt19937_64 Seeded(uint64_t seed, Stream stream) {
  std::seed_seq sequence{static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32), static_cast<uint32_t>(stream)};
  return std::mt19937_64(sequence);
}

}  // namespace

Random::Random(uint64_t seed, Stream stream) : engine_(Seeded(seed, stream)) {}

// The high half of bits * n is uniform once the few low halves that would favour some values are thrown away (Lemire,
// "Fast random integer generation in an interval", arXiv 1805.10941).
uint64_t Random::Below(uint64_t n) {
  const uint64_t unfair = (0 - n) % n;  // 2^64 mod n
  while (true) {
    const unsigned __int128 product = static_cast<unsigned __int128>(engine_()) * n;
    if (static_cast<uint64_t>(product) >= unfair) return static_cast<uint64_t>(product >> 64);
  }
}

}  // namespace ablate::stats
