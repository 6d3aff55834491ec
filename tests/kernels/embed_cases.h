// embed's problems, for its kernel on the host and on a GPU.
#pragma once

#include <cstdint>
#include <random>
#include <vector>

#include "kernels/embed.h"
#include "tests/kernels/guarded_buffer.h"

namespace ablate::kernels {

struct EmbedProblem {
  static constexpr int64_t kVocab = 37, kPositions = 11;

  // `offset`: elements that matrices lie off a pack's alignment.
  EmbedProblem(int64_t n_tokens, int64_t d_model, int64_t offset)
      : d(d_model),
        wte(kVocab * d, offset, 0),
        wpe(kPositions * d, offset, 0),
        out(n_tokens * d, offset, -1),
        expected(out) {
    std::mt19937 random(static_cast<uint32_t>(n_tokens + d));
    std::normal_distribution<float> normal;
    for (int64_t i = 0; i < wte.size; ++i) wte[i] = normal(random);
    for (int64_t i = 0; i < wpe.size; ++i) wpe[i] = normal(random);
    for (int64_t i = 0; i < n_tokens; ++i) {
      ids.push_back(static_cast<int32_t>(random() % kVocab));
      positions.push_back(static_cast<int32_t>(random() % kPositions));
      for (int64_t j = 0; j < d; ++j) expected[i * d + j] = wte[ids.back() * d + j] + wpe[positions.back() * d + j];
    }
  }

  EmbedArgs Args() {
    return {.wte = wte.data(),
            .wpe = wpe.data(),
            .ids = ids.data(),
            .positions = positions.data(),
            .out = out.data(),
            .d_model = d};
  }

  int64_t d;
  GuardedBuffer<float> wte, wpe, out, expected;
  std::vector<int32_t> ids, positions;
};

// Tokens and D.
inline constexpr int64_t kEmbedSizes[][2] = {{1, 1}, {3, 5}, {7, 96}, {2, 768}, {33, 20}, {0, 8}, {5, 1600}};

}  // namespace ablate::kernels
