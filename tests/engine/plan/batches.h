// Batches that tests plan: owners of what PlanPrompt only points to.
#pragma once

#include <cstdint>
#include <random>
#include <vector>

#include "engine/plan/plan.h"

namespace ablate::testing {

struct TestPrompt {
  int32_t n_tokens = 1;
  std::vector<Variant> variants;
  std::vector<int32_t> read_positions;
  bool has_donor = false;
};

struct Batch {
  int32_t n_layers = 1;
  std::vector<TestPrompt> prompts;

  std::vector<PlanPrompt> PlanPrompts() const;
  // Dies where the batch is refused.
  Plan MakePlan(int64_t max_packed_tokens) const;
};

// Zero at one site.
Edit Zero(int32_t layer, int32_t head, PositionRange positions = {});

// Every head of a 12 x 12 model, and every unordered pair of them.
std::vector<Variant> Singles();
std::vector<Variant> Pairs();

// 1 to 3 prompts of unequal length under variants that share, repeat and extend each other, with ranges of positions,
// several edits a site, donors, and empty ones.
Batch RandomBatch(std::mt19937& random);

}  // namespace ablate::testing
