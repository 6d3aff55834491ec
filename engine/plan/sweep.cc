#include "engine/plan/sweep.h"

#include <numeric>
#include <string_view>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace ablate {
namespace {

// `chosen`, or 0 .. count - 1 where it is empty.
absl::StatusOr<std::vector<int32_t>> Choose(const std::vector<int32_t>& chosen, int32_t count, const char* name) {
  if (count < 1) return absl::InvalidArgumentError(absl::StrCat("n_", name, " is ", count, ", expected at least 1"));
  if (chosen.empty()) {
    std::vector<int32_t> all(count);
    std::iota(all.begin(), all.end(), 0);
    return all;
  }
  std::vector<bool> seen(count, false);
  for (size_t i = 0; i < chosen.size(); ++i) {
    if (chosen[i] < 0 || chosen[i] >= count) {
      return absl::InvalidArgumentError(absl::StrCat(name, "[", i, "] is ", chosen[i], ", expected 0 to ", count - 1));
    }
    if (seen[chosen[i]]) {
      return absl::InvalidArgumentError(
          absl::StrCat(name, "[", i, "] is ", chosen[i], ", which is there twice; expected each at most once"));
    }
    seen[chosen[i]] = true;
  }
  return chosen;
}

}  // namespace

absl::StatusOr<std::vector<Variant>> MakeVariants(const HeadsSweep& sweep, int32_t n_layers, int32_t n_heads) {
  absl::StatusOr<std::vector<int32_t>> layers = Choose(sweep.layers, n_layers, "layers");
  if (!layers.ok()) return layers.status();
  absl::StatusOr<std::vector<int32_t>> heads = Choose(sweep.heads, n_heads, "heads");
  if (!heads.ok()) return heads.status();
  std::vector<Variant> variants;
  variants.reserve(layers->size() * heads->size());
  for (const int32_t layer : *layers) {
    for (const int32_t head : *heads) variants.push_back({{Edit{.site = {layer, head}}}});
  }
  return variants;
}

}  // namespace ablate
