#include "tests/engine/plan/batches.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <utility>

namespace ablate::testing {
namespace {

class Generator {
 public:
  explicit Generator(std::mt19937& random) : random_(random) {}

  Batch Make() {
    Batch batch;
    n_layers_ = batch.n_layers = Draw(1, 5);
    n_heads_ = Draw(1, 4);
    const int32_t n_prompts = Draw(1, 3);
    for (int32_t p = 0; p < n_prompts; ++p) batch.prompts.push_back(MakePrompt());
    return batch;
  }

 private:
  int32_t Draw(int32_t low, int32_t high) { return std::uniform_int_distribution<int32_t>(low, high)(random_); }
  bool Chance(int32_t percent) { return Draw(1, 100) <= percent; }

  TestPrompt MakePrompt() {
    TestPrompt prompt;
    n_tokens_ = prompt.n_tokens = Draw(1, 9);
    has_donor_ = prompt.has_donor = Chance(40);
    // Whole sweeps over all positions, whole sweeps over ranges, or a mix.
    range_percent_ = std::vector<int32_t>{0, 100, 50}[Draw(0, 2)];
    const int32_t n_variants = Draw(0, 14);
    for (int32_t v = 0; v < n_variants; ++v) {
      Variant variant = MakeVariant();
      if (v > 0 && Chance(20)) {
        variant = prompt.variants[Draw(0, v - 1)];
      } else if (v > 0 && Chance(30)) {
        variant = Extend(prompt.variants[Draw(0, v - 1)]);
      }
      prompt.variants.push_back(std::move(variant));
    }
    do {
      for (int32_t position = 0; position < n_tokens_; ++position) {
        if (Chance(30)) prompt.read_positions.push_back(position);
      }
    } while (prompt.read_positions.empty());
    return prompt;
  }

  Variant MakeVariant() {
    Variant variant;
    const int32_t n_edits = Draw(0, 4);
    for (int32_t e = 0; e < n_edits; ++e) variant = Extend(variant);
    return variant;
  }

  // With one more edit, unless one at its site overlaps it.
  Variant Extend(Variant variant) {
    const Edit edit = MakeEdit();
    for (const Edit& other : variant.edits) {
      if (other.site == edit.site && other.positions.begin < edit.positions.end &&
          edit.positions.begin < other.positions.end) {
        return variant;
      }
    }
    variant.edits.push_back(edit);
    std::sort(variant.edits.begin(), variant.edits.end(), [](const Edit& a, const Edit& b) { return (a <=> b) < 0; });
    return variant;
  }

  Edit MakeEdit() {
    Edit edit{.site = {Draw(0, n_layers_ - 1), Draw(0, n_heads_ - 1)}};
    if (Chance(range_percent_)) {
      edit.positions.begin = Draw(0, n_tokens_ - 1);
      edit.positions.end = Chance(20) ? INT32_MAX : Draw(edit.positions.begin + 1, n_tokens_ + 2);
    }
    if (Chance(30)) edit.scale = Chance(50) ? 0.5F : 1.0F;
    if (Chance(30)) edit.entry = Draw(0, 1);
    if (edit.entry >= 0) edit.entry_stride = Draw(0, 1);
    if (has_donor_ && Chance(40)) edit.from_donor = true;
    return edit;
  }

  std::mt19937& random_;
  int32_t n_layers_ = 0, n_heads_ = 0, n_tokens_ = 0, range_percent_ = 0;
  bool has_donor_ = false;
};

}  // namespace

std::vector<PlanPrompt> Batch::PlanPrompts() const {
  std::vector<PlanPrompt> out;
  for (const TestPrompt& prompt : prompts) {
    out.push_back({.n_tokens = prompt.n_tokens,
                   .variants = prompt.variants,
                   .read_positions = prompt.read_positions,
                   .has_donor = prompt.has_donor});
  }
  return out;
}

Plan Batch::MakePlan(int64_t max_packed_tokens) const {
  absl::StatusOr<Plan> plan =
      ablate::MakePlan(PlanPrompts(), {.n_layers = n_layers, .max_packed_tokens = max_packed_tokens});
  if (!plan.ok()) {
    std::fprintf(stderr, "MakePlan: %s\n", plan.status().ToString().c_str());
    std::abort();
  }
  return *std::move(plan);
}

Edit Zero(int32_t layer, int32_t head, PositionRange positions) {
  return {.site = {layer, head}, .positions = positions, .scale = 0.0F, .entry = -1};
}

std::vector<Variant> Singles() {
  std::vector<Variant> variants;
  for (int32_t layer = 0; layer < 12; ++layer) {
    for (int32_t head = 0; head < 12; ++head) variants.push_back({{Zero(layer, head)}});
  }
  return variants;
}

std::vector<Variant> Pairs() {
  const std::vector<Variant> singles = Singles();
  std::vector<Variant> pairs;
  for (size_t i = 0; i < singles.size(); ++i) {
    for (size_t j = i + 1; j < singles.size(); ++j) {
      pairs.push_back({{singles[i].edits.front(), singles[j].edits.front()}});
    }
  }
  return pairs;
}

Batch RandomBatch(std::mt19937& random) {
  return Generator(random).Make();
}

}  // namespace ablate::testing
