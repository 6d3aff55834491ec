#include "engine/plan/trie.h"

#include <algorithm>
#include <bit>
#include <numeric>

namespace ablate {
namespace {

using EditSpan = absl::Span<const TrieEdit>;

// False where nothing is left of the edit.
bool Clip(const Trie& trie, int32_t n_layers, TrieEdit& edit) {
  PositionRange& range = edit.positions;
  if (edit.layer < n_layers - 1) {
    range.end = std::min(range.end, trie.end);
    return range.begin < range.end;
  }
  const auto first = std::lower_bound(trie.reads.begin(), trie.reads.end(), range.begin);
  const auto last = std::lower_bound(first, trie.reads.end(), range.end);
  if (first == last) return false;
  range = {*first, *(last - 1) + 1};
  return true;
}

// A sequence comes after those that continue it: with it, the leaves whose next edit lies behind a layer, or that
// have none, are neighbours, whatever the layer.
bool Before(EditSpan a, EditSpan b) {
  const auto [x, y] = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  if (x == a.end()) return false;
  return y == b.end() || *x < *y;
}

int32_t SplitLayer(EditSpan a, EditSpan b) {
  const auto [x, y] = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  if (x == a.end()) return y->layer;
  if (y == b.end()) return x->layer;
  return std::min(x->layer, y->layer);
}

Leaf MakeLeaf(const Trie& trie, int32_t first_edit, int32_t end_edit, int32_t n_layers) {
  Leaf leaf{.first_edit = first_edit, .end_edit = end_edit};
  leaf.first_layer = trie.edits[first_edit].layer;
  leaf.baseline_until = n_layers - 1;
  int32_t begin = trie.end;
  for (int32_t e = first_edit; e < end_edit && begin > 0; ++e) {
    begin = std::min(begin, trie.edits[e].positions.begin);
    if (begin == 0) leaf.baseline_until = trie.edits[e].layer;
  }
  for (int32_t e = first_edit; e < end_edit; ++e) {
    if (trie.edits[e].from_donor) leaf.donor_until = trie.edits[e].layer;
  }
  leaf.reads_before = trie.ReadsBefore(begin);
  return leaf;
}

}  // namespace

int32_t Trie::ReadsBefore(int32_t position) const {
  return static_cast<int32_t>(std::lower_bound(reads.begin(), reads.end(), position) - reads.begin());
}

void UneditedNeed::IncludeBaselineOf(const Leaf& leaf) {
  until = std::max(until, leaf.baseline_until);
  reads = std::max(reads, leaf.reads_before);
}

void UneditedNeed::IncludeDonorOf(const Leaf& leaf) {
  until = std::max(until, leaf.donor_until);
}

void UneditedNeed::IncludeReadout(const Trie& trie, int32_t n_layers) {
  until = n_layers - 1;
  reads = static_cast<int32_t>(trie.reads.size());
}

Trie MakeTrie(const PlanPrompt& prompt, int32_t n_layers) {
  Trie trie;
  trie.reads.assign(prompt.read_positions.begin(), prompt.read_positions.end());
  trie.end = trie.reads.back() + 1;
  trie.has_donor = prompt.has_donor;

  const auto n_variants = static_cast<int32_t>(prompt.variants.size());
  std::vector<int32_t> first_edit;  // [n_variants + 1]
  first_edit.reserve(n_variants + 1);
  first_edit.push_back(0);
  trie.edits.reserve(n_variants);
  for (const Variant& variant : prompt.variants) {
    for (const Edit& from : variant.edits) {
      TrieEdit edit{.layer = from.site.layer,
                    .head = from.site.head,
                    .positions = from.positions,
                    .scale_bits = std::bit_cast<uint32_t>(from.scale),
                    .entry = from.entry < 0 ? -1 : from.entry + prompt.first_entry,
                    .entry_stride = from.entry_stride,
                    .from_donor = from.from_donor};
      if (Clip(trie, n_layers, edit)) trie.edits.push_back(edit);
    }
    first_edit.push_back(static_cast<int32_t>(trie.edits.size()));
  }
  const auto edits_of = [&](int32_t v) {
    return EditSpan(trie.edits).subspan(first_edit[v], first_edit[v + 1] - first_edit[v]);
  };

  trie.leaf_variants.reserve(n_variants);
  for (int32_t v = 0; v < n_variants; ++v) {
    (edits_of(v).empty() ? trie.empty_variants : trie.leaf_variants).push_back(v);
  }
  const auto before = [&](int32_t v, int32_t w) { return Before(edits_of(v), edits_of(w)); };
  if (!std::is_sorted(trie.leaf_variants.begin(), trie.leaf_variants.end(), before)) {
    std::stable_sort(trie.leaf_variants.begin(), trie.leaf_variants.end(), before);
  }

  for (size_t i = 0; i < trie.leaf_variants.size(); ++i) {
    const int32_t v = trie.leaf_variants[i];
    const bool is_first = i == 0;
    if (is_first || edits_of(trie.leaf_variants[i - 1]) != edits_of(v)) {
      Leaf leaf = MakeLeaf(trie, first_edit[v], first_edit[v + 1], n_layers);
      leaf.first_variant = static_cast<int32_t>(i);
      if (!is_first) leaf.split_layer = SplitLayer(edits_of(trie.leaf_variants[i - 1]), edits_of(v));
      trie.leaves.push_back(leaf);
    }
    trie.leaves.back().end_variant = static_cast<int32_t>(i) + 1;
  }
  return trie;
}

}  // namespace ablate
