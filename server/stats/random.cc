#include "server/stats/random.h"

#include "engine/plan/uniform.h"

namespace ablate::stats {
namespace {

// std::mt19937_64 takes a seed sequence by reference, so that it needs a name.
std::mt19937_64 Seeded(uint64_t seed, Stream stream) {
  std::seed_seq sequence{static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32), static_cast<uint32_t>(stream)};
  return std::mt19937_64(sequence);
}

}  // namespace

Random::Random(uint64_t seed, Stream stream) : engine_(Seeded(seed, stream)) {}

uint64_t Random::Below(uint64_t n) {
  return UniformBelow(engine_, n);
}

}  // namespace ablate::stats
