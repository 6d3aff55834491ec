// Runs plans and variants on symbols instead of tensors: a token's state is a hash of everything that its value depends
// on in a causal transformer, so equal states mean equal values whatever the weights.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <string>

#include "engine/plan/plan.h"
#include "tests/engine/plan/batches.h"

namespace ablate::testing {

struct ReadKey {
  int32_t prompt = 0;
  int32_t variant = -1;
  int32_t position = 0;
  auto operator<=>(const ReadKey&) const = default;
};

using Readouts = std::map<ReadKey, uint64_t>;

// Every variant of every prompt on its own, in full, with its edits as they came: no row, no sharing, no clipping.
Readouts RunNaively(const Batch& batch);

// What a plan computes, using of it just what the forward pass uses.
struct Execution {
  Readouts readouts;
  // The first thing found wrong with the plan's structure; empty where all is as plan.h says.
  std::string error;
};
Execution Execute(const Batch& batch, const Plan& plan);

}  // namespace ablate::testing
