// One prompt's variants as a trie: at depth l its nodes are the distinct restrictions of the variants to the layers
// before l. Kept as its leaves in depth-first order, each with the layer at which it leaves the one before it.
#pragma once

#include <algorithm>
#include <compare>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "engine/plan/plan.h"

namespace ablate {

// An edit clipped to what can matter: positions up to the last read one, and in the last layer, where no key is read
// any more, from its first read position to its last. The scale is compared by its bits, so that only edits that do
// exactly the same are equal.
struct TrieEdit {
  int32_t layer = 0;
  int32_t head = 0;
  PositionRange positions;
  uint32_t scale_bits = 0;
  int32_t entry = -1;
  int32_t entry_stride = 0;
  bool from_donor = false;
  auto operator<=>(const TrieEdit&) const = default;
};

// A distinct set of edits that is not empty.
struct Leaf {
  // In Trie::edits.
  int32_t first_edit = 0;
  int32_t end_edit = 0;
  // The variants with these edits, in Trie::leaf_variants.
  int32_t first_variant = 0;
  int32_t end_variant = 0;
  // Layer of the first edit: the fan-out from the baseline row.
  int32_t first_layer = 0;
  // First layer at which its edits differ from those of the leaf before it; 0 for the first leaf.
  int32_t split_layer = 0;
  // Last layer that the baseline row must enter for this leaf's rows: where they cover all positions, or the last.
  int32_t baseline_until = 0;
  // Last layer that the donor's row must enter: that of the last edit that takes from it; -1: none does.
  int32_t donor_until = -1;
  // Read positions before its first edited position: they are read from the baseline.
  int32_t reads_before = 0;
};

struct Trie {
  // Tokens that are computed: last read position + 1.
  int32_t end = 0;
  bool has_donor = false;
  std::vector<int32_t> reads;
  std::vector<TrieEdit> edits;
  // Sorted so that leaves with equal restrictions to the layers before any l are neighbours, and by first_layer.
  std::vector<Leaf> leaves;
  std::vector<int32_t> leaf_variants;
  // Variants without an edit that matters.
  std::vector<int32_t> empty_variants;

  // Read positions before `position`.
  int32_t ReadsBefore(int32_t position) const;
};

// What a chunk needs of an unedited row: a prompt's baseline or its donor.
struct UneditedNeed {
  // Last layer that the row enters; -1: none.
  int32_t until = -1;
  // How many read positions, from the first on, leave the last layer.
  int32_t reads = 0;

  void IncludeBaselineOf(const Leaf& leaf);
  void IncludeDonorOf(const Leaf& leaf);
  void IncludeReadout(const Trie& trie, int32_t n_layers);

  bool exists() const { return until >= 0; }
  // Whether the row leaves `layer`.
  bool Leaves(int32_t layer, int32_t n_layers) const { return layer == n_layers - 1 ? reads > 0 : until > layer; }
};

// Calls f(layer, begin) for each row that `leaf` adds to a chunk behind the leaf before it: it leaves `layer` with the
// positions from `begin` on. In the order of the layers, up to the last.
template <typename F>
void ForEachOwnRow(const Trie& trie, const Leaf& leaf, bool is_first_of_chunk, int32_t n_layers, F f) {
  const int32_t own_from = is_first_of_chunk ? leaf.first_layer : std::max(leaf.first_layer, leaf.split_layer);
  int32_t begin = trie.end;
  int32_t edit = leaf.first_edit;
  for (int32_t layer = leaf.first_layer; layer < n_layers; ++layer) {
    for (; edit < leaf.end_edit && trie.edits[edit].layer == layer; ++edit) {
      begin = std::min(begin, trie.edits[edit].positions.begin);
    }
    if (layer >= own_from) f(layer, begin);
  }
}

// `prompt` has passed CheckBatch.
Trie MakeTrie(const PlanPrompt& prompt, int32_t n_layers);

}  // namespace ablate
