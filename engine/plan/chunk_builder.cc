#include "engine/plan/chunk_builder.h"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <utility>

namespace ablate {
namespace {

class ChunkBuilder {
 public:
  ChunkBuilder(absl::Span<const Trie> tries, const ChunkSpec& spec, int32_t n_layers) : n_layers_(n_layers) {
    chunk_.first_layer = spec.first_layer;
    chunk_.keeps_baselines = spec.keeps_baselines;
    chunk_.releases_baselines = spec.releases_baselines;
    for (const ChunkPart& from : spec.parts) {
      const Trie& trie = tries[from.prompt];
      Part part;
      part.spec = from;
      part.trie = &trie;
      if (from.reports_baseline) part.baseline.need.IncludeReadout(trie, n_layers);
      if (from.reports_baseline && trie.has_donor) part.donor.need.IncludeReadout(trie, n_layers);
      for (int32_t i = from.first_leaf; i < from.end_leaf; ++i) {
        part.baseline.need.IncludeBaselineOf(trie.leaves[i]);
        part.donor.need.IncludeDonorOf(trie.leaves[i]);
        part.leaves.push_back({.begin = trie.end, .edit = trie.leaves[i].first_edit});
      }
      part.baseline.row = EnterUnedited(part, /*is_donor=*/false);
      if (part.donor.need.exists()) part.donor.row = EnterUnedited(part, /*is_donor=*/true);
      parts_.push_back(std::move(part));
    }
  }

  Chunk Build() && {
    for (int32_t layer = chunk_.first_layer; layer < n_layers_; ++layer) BuildLayer(layer);
    for (const Part& part : parts_) AddReads(part);
    return std::move(chunk_);
  }

 private:
  // Where a leaf stands in front of the layer being built; rows index that layer's incoming rows.
  struct LeafState {
    int32_t row = -1;  // -1: still the baseline
    int32_t begin = 0;
    int32_t edit = 0;
  };

  // The baseline or the donor.
  struct Unedited {
    UneditedNeed need;
    int32_t row = -1;  // -1: it is not there (any more)
    int32_t next_row = -1;
  };

  struct Part {
    ChunkPart spec;
    const Trie* trie = nullptr;
    Unedited baseline;
    Unedited donor;
    std::vector<LeafState> leaves;
  };

  // A row of the first layer.
  int32_t EnterUnedited(const Part& part, bool is_donor) {
    rows_.push_back(
        {.prompt = part.spec.prompt, .is_donor = is_donor, .end = part.trie->end, .first_token = n_tokens_});
    n_tokens_ += part.trie->end;
    return static_cast<int32_t>(rows_.size()) - 1;
  }

  bool IsLast(int32_t layer) const { return layer == n_layers_ - 1; }

  void BuildLayer(int32_t layer) {
    LayerPlan plan;
    plan.layer = layer;
    plan.rows = std::move(rows_);
    plan.n_tokens_in = n_tokens_;
    rows_.clear();
    n_tokens_ = 0;
    plan.row_edit_begin.push_back(0);
    for (Part& part : parts_) {
      AdvanceUnedited(plan, part, part.baseline, /*is_donor=*/false);
      AdvanceUnedited(plan, part, part.donor, /*is_donor=*/true);
    }
    for (Part& part : parts_) AdvanceLeaves(plan, part);
    for (Part& part : parts_) {
      part.baseline.row = part.baseline.next_row;
      part.donor.row = part.donor.next_row;
    }
    for (auto* const values : {&plan.source_token, &plan.position, &plan.row}) {
      values->resize(static_cast<size_t>(n_tokens_));
    }
    chunk_.layers.push_back(std::move(plan));
  }

  void AdvanceUnedited(LayerPlan& plan, const Part& part, Unedited& unedited, bool is_donor) {
    unedited.next_row = -1;
    if (!unedited.need.Leaves(plan.layer, n_layers_)) return;
    unedited.next_row = static_cast<int32_t>(rows_.size());
    AddRow(plan, part, unedited.row, /*begin=*/0, /*baseline=*/-1, unedited.need.reads);
    rows_.back().is_donor = is_donor;
    plan.row_edit_begin.push_back(static_cast<int32_t>(plan.row_edits.size()));
  }

  // Neighbours with equal edits so far share their row; leaves are sorted by their first edited layer.
  void AdvanceLeaves(LayerPlan& plan, Part& part) {
    const Trie& trie = *part.trie;
    const int32_t donor_first = part.donor.row < 0 ? -1 : plan.rows[part.donor.row].first_token;
    for (size_t i = 0; i < part.leaves.size(); ++i) {
      const Leaf& leaf = trie.leaves[part.spec.first_leaf + i];
      if (leaf.first_layer > plan.layer) break;
      LeafState& state = part.leaves[i];
      const int32_t first_edit = state.edit;
      for (; state.edit < leaf.end_edit && trie.edits[state.edit].layer == plan.layer; ++state.edit) {
        state.begin = std::min(state.begin, trie.edits[state.edit].positions.begin);
      }
      if (i > 0 && leaf.split_layer > plan.layer) {
        state.row = part.leaves[i - 1].row;
        continue;
      }
      for (int32_t e = first_edit; e < state.edit; ++e) {
        const TrieEdit& edit = trie.edits[e];
        plan.row_edits.push_back({.head = edit.head,
                                  .positions = edit.positions,
                                  .scale = std::bit_cast<float>(edit.scale_bits),
                                  .entry = edit.entry,
                                  .entry_stride = edit.entry_stride,
                                  .source_first = edit.from_donor ? donor_first : -1});
      }
      plan.row_edit_begin.push_back(static_cast<int32_t>(plan.row_edits.size()));
      const int32_t parent = state.row < 0 ? part.baseline.row : state.row;
      state.row = static_cast<int32_t>(rows_.size());
      AddRow(plan, part, parent, state.begin, state.begin > 0 ? part.baseline.next_row : -1,
             static_cast<int32_t>(trie.reads.size()));
    }
  }

  // Appends an outgoing row with its tokens: positions [begin, end), or in the last layer the read ones among them, up
  // to the first `max_reads` of the prompt's.
  void AddRow(LayerPlan& plan, const Part& part, int32_t parent, int32_t begin, int32_t baseline, int32_t max_reads) {
    const Trie& trie = *part.trie;
    const Row& from = plan.rows[parent];
    // Positions before the parent's are the baseline's.
    const int32_t baseline_first = from.begin > 0 ? plan.rows[from.baseline].first_token : 0;
    const auto row = static_cast<int32_t>(rows_.size());
    plan.parent.push_back(parent);
    rows_.push_back(
        {.prompt = part.spec.prompt, .begin = begin, .end = trie.end, .first_token = n_tokens_, .baseline = baseline});
    const int32_t first_read = IsLast(plan.layer) ? trie.ReadsBefore(begin) : 0;
    const int32_t count = std::max(IsLast(plan.layer) ? max_reads - first_read : trie.end - begin, 0);
    Grow(plan, count);
    int32_t* const sources = plan.source_token.data() + n_tokens_;
    int32_t* const positions = plan.position.data() + n_tokens_;
    std::fill_n(plan.row.data() + n_tokens_, count, row);
    n_tokens_ += count;
    const int32_t own_first = from.first_token - from.begin;
    for (int32_t i = 0; i < count; ++i) {
      const int32_t position = IsLast(plan.layer) ? trie.reads[first_read + i] : begin + i;
      positions[i] = position;
      sources[i] = position + (position < from.begin ? baseline_first : own_first);
    }
  }

  // Room for `count` more outgoing tokens; what is too much goes at the layer's end.
  void Grow(LayerPlan& plan, int32_t count) const {
    const size_t wanted = static_cast<size_t>(n_tokens_) + static_cast<size_t>(count);
    if (wanted <= plan.source_token.size()) return;
    for (auto* const values : {&plan.source_token, &plan.position, &plan.row}) {
      values->resize(std::max(wanted, 2 * values->size()));
    }
  }

  // Called behind the last layer: rows_ are those that left it.
  void AddReads(const Part& part) {
    const Trie& trie = *part.trie;
    const auto n_reads = static_cast<int32_t>(trie.reads.size());
    const int32_t baseline_first = part.baseline.row < 0 ? 0 : rows_[part.baseline.row].first_token;
    const auto add = [&](int32_t variant, int32_t own_from, int32_t own_first) {
      for (int32_t i = 0; i < n_reads; ++i) {
        chunk_.reads.push_back({.prompt = part.spec.prompt,
                                .variant = variant,
                                .position = trie.reads[i],
                                .token = i < own_from ? baseline_first + i : own_first + i - own_from});
      }
    };
    if (part.spec.reports_baseline) {
      add(kBaselineVariant, 0, baseline_first);
      if (part.donor.row >= 0) add(kDonorVariant, 0, rows_[part.donor.row].first_token);
      for (const int32_t variant : trie.empty_variants) add(variant, 0, baseline_first);
    }
    for (size_t i = 0; i < part.leaves.size(); ++i) {
      const Leaf& leaf = trie.leaves[part.spec.first_leaf + i];
      for (int32_t v = leaf.first_variant; v < leaf.end_variant; ++v) {
        add(trie.leaf_variants[v], leaf.reads_before, rows_[part.leaves[i].row].first_token);
      }
    }
  }

  const int32_t n_layers_;
  Chunk chunk_;
  std::vector<Part> parts_;
  // Rows that enter the next layer to be built, and their tokens.
  std::vector<Row> rows_;
  int32_t n_tokens_ = 0;
};

}  // namespace

Chunk BuildChunk(absl::Span<const Trie> tries, const ChunkSpec& spec, int32_t n_layers) {
  return ChunkBuilder(tries, spec, n_layers).Build();
}

}  // namespace ablate
