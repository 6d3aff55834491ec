#include "engine/plan/count_work.h"

namespace ablate {
namespace {

// Of a row at positions [begin, end): each token sees those up to its own.
int64_t AttentionPairs(int64_t begin, int64_t end) {
  return (end * (end + 1) - begin * (begin + 1)) / 2;
}

// One prompt's part of a chunk.
class PartWork {
 public:
  PartWork(const Trie& trie, const ChunkPart& part, const ChunkSpec& chunk, PlanWork& work)
      : trie_(trie), first_layer_(chunk.first_layer), last_layer_(static_cast<int32_t>(work.size()) - 1), work_(work) {
    UneditedNeed baseline, donor;
    if (part.reports_baseline) {
      baseline.IncludeReadout(trie, last_layer_ + 1);
      if (trie.has_donor) donor.IncludeReadout(trie, last_layer_ + 1);
    }
    for (int32_t i = part.first_leaf; i < part.end_leaf; ++i) {
      const Leaf& leaf = trie.leaves[i];
      ForEachOwnRow(trie, leaf, i == part.first_leaf, last_layer_ + 1, [&](int32_t layer, int32_t begin) {
        Leave(layer, begin, static_cast<int64_t>(trie.reads.size()) - leaf.reads_before);
      });
      baseline.IncludeBaselineOf(leaf);
      donor.IncludeDonorOf(leaf);
    }
    AddUnedited(baseline);
    AddUnedited(donor);
  }

 private:
  // A row of positions [begin, end) leaves `layer`; of the last one only what is read.
  void Leave(int32_t layer, int32_t begin, int64_t reads) {
    work_[layer].rows_out += 1;
    work_[layer].tokens_out += layer == last_layer_ ? reads : trie_.end - begin;
    if (layer < last_layer_) Enter(layer + 1, begin);
  }

  void Enter(int32_t layer, int32_t begin) {
    work_[layer].rows_in += 1;
    work_[layer].tokens_in += trie_.end - begin;
    work_[layer].attention_pairs += AttentionPairs(begin, trie_.end);
  }

  void AddUnedited(const UneditedNeed& need) {
    if (!need.exists()) return;
    Enter(first_layer_, 0);
    for (int32_t layer = first_layer_; layer <= last_layer_; ++layer) {
      if (need.Leaves(layer, last_layer_ + 1)) Leave(layer, 0, need.reads);
    }
  }

  const Trie& trie_;
  const int32_t first_layer_;
  const int32_t last_layer_;
  PlanWork& work_;
};

}  // namespace

PlanWork CountWork(absl::Span<const Trie> tries, absl::Span<const ChunkSpec> chunks, int32_t n_layers) {
  PlanWork work(n_layers);
  for (const ChunkSpec& chunk : chunks) {
    for (int32_t layer = chunk.first_layer; layer < n_layers; ++layer) ++work[layer].passes;
    for (const ChunkPart& part : chunk.parts) PartWork(tries[part.prompt], part, chunk, work);
  }
  return work;
}

}  // namespace ablate
