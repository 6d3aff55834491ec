#include "engine/plan/chunker.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace ablate {
namespace {

constexpr int64_t kMaxIndex = std::numeric_limits<int32_t>::max();

// Packed tokens of one prompt's part of a chunk, layer by layer, while leaves are added in depth-first order.
class PartWidth {
 public:
  PartWidth(const Trie& trie, int32_t n_layers, bool reports_baseline)
      : trie_(&trie), leaf_tokens_(n_layers, 0), last_layer_(n_layers - 1) {
    if (!reports_baseline) return;
    baseline_.IncludeReadout(trie, n_layers);
    if (trie.has_donor) donor_.IncludeReadout(trie, n_layers);
  }

  // In O(n_layers): the leaf's own rows begin where it leaves the one before it.
  void Add(const Leaf& leaf, bool is_first_of_chunk) {
    ForEachOwnRow(*trie_, leaf, is_first_of_chunk, last_layer_ + 1, [&](int32_t layer, int32_t begin) {
      leaf_tokens_[layer] += layer < last_layer_ ? trie_->end - begin : n_reads() - leaf.reads_before;
    });
    baseline_.IncludeBaselineOf(leaf);
    donor_.IncludeDonorOf(leaf);
  }

  // Tokens that leave `layer`.
  int64_t Out(int32_t layer) const {
    return leaf_tokens_[layer] + UneditedOut(baseline_, layer) + UneditedOut(donor_, layer);
  }

  // Tokens of the unedited rows, all that enter a chunk's first layer.
  int64_t In() const { return donor_.exists() ? 2 * int64_t{trie_->end} : trie_->end; }

 private:
  int64_t UneditedOut(const UneditedNeed& need, int32_t layer) const {
    if (!need.Leaves(layer, last_layer_ + 1)) return 0;
    return layer == last_layer_ ? need.reads : trie_->end;
  }
  int64_t n_reads() const { return static_cast<int64_t>(trie_->reads.size()); }

  const Trie* trie_;
  std::vector<int64_t> leaf_tokens_;  // [n_layers], without the unedited rows'
  UneditedNeed baseline_;
  UneditedNeed donor_;
  int32_t last_layer_;
};

// Packed tokens of a chunk: those that enter its first layer, then those that leave each layer.
class ChunkWidth {
 public:
  explicit ChunkWidth(int32_t n_layers) : out_(n_layers, 0) {}

  void Add(const PartWidth& part, int32_t first_layer) {
    in_ += part.In();
    for (size_t l = first_layer; l < out_.size(); ++l) out_[l] += part.Out(static_cast<int32_t>(l));
  }
  int64_t Max() const { return std::max(in_, *std::max_element(out_.begin(), out_.end())); }
  int64_t Sum() const { return std::accumulate(out_.begin(), out_.end(), int64_t{0}); }

 private:
  int64_t in_ = 0;
  std::vector<int64_t> out_;  // [n_layers]
};

class Chunker {
 public:
  Chunker(absl::Span<const Trie> tries, const PlanOptions& options)
      : tries_(tries),
        n_layers_(options.n_layers),
        max_tokens_(std::min(options.max_packed_tokens, kMaxIndex)),
        first_tokens_(options.first_packed_tokens > 0 ? std::min(options.first_packed_tokens, max_tokens_)
                                                      : max_tokens_),
        open_width_(n_layers_) {}

  absl::StatusOr<std::vector<ChunkSpec>> Run() && {
    for (size_t p = 0; p < tries_.size(); ++p) {
      const auto prompt = static_cast<int32_t>(p);
      const Trie& trie = tries_[p];
      PartWidth whole(trie, n_layers_, /*reports_baseline=*/true);
      for (size_t i = 0; i < trie.leaves.size(); ++i) whole.Add(trie.leaves[i], i == 0);
      ChunkWidth alone(n_layers_);
      alone.Add(whole, 0);
      if (alone.Max() > max_tokens_) {
        CloseOpen();
        if (absl::Status status = Cut(prompt); !status.ok()) return status;
        continue;
      }
      ChunkWidth joined = open_width_;
      joined.Add(whole, 0);
      if (joined.Max() > most_tokens()) {
        CloseOpen();
        joined = std::move(alone);
      }
      open_width_ = std::move(joined);
      open_.parts.push_back({.prompt = prompt, .end_leaf = static_cast<int32_t>(trie.leaves.size())});
    }
    CloseOpen();
    return std::move(chunks_);
  }

 private:
  // In a layer of the chunk that is open.
  int64_t most_tokens() const { return chunks_.empty() ? first_tokens_ : max_tokens_; }

  void CloseOpen() {
    if (!open_.parts.empty()) {
      open_.cost = open_width_.Sum();
      chunks_.push_back(std::move(open_));
    }
    open_ = ChunkSpec();
    open_width_ = ChunkWidth(n_layers_);
  }

  // Chunks of a prompt's own. The first runs the baseline, with no variant where none fits beside it; the others start
  // from its residuals.
  absl::Status Cut(int32_t prompt) {
    const Trie& trie = tries_[prompt];
    const auto n_leaves = static_cast<int32_t>(trie.leaves.size());
    const size_t first_chunk = chunks_.size();
    int32_t leaf = 0;
    do {
      const bool is_first = chunks_.size() == first_chunk;
      const int32_t first_leaf = leaf;
      ChunkSpec chunk;
      chunk.first_layer = is_first ? 0 : trie.leaves[first_leaf].first_layer;
      PartWidth part(trie, n_layers_, is_first);
      if (!is_first) part.Add(trie.leaves[leaf++], true);
      PartWidth wider = part;
      for (; leaf < n_leaves; ++leaf) {
        wider = part;
        wider.Add(trie.leaves[leaf], leaf == first_leaf);
        if (WidthOf(wider, chunk.first_layer).Max() > most_tokens()) break;
        std::swap(part, wider);
      }
      const ChunkWidth width = WidthOf(part, chunk.first_layer);
      if (width.Max() > kMaxIndex) {
        return absl::InvalidArgumentError(
            absl::StrCat("prompts[", prompt, "].n_tokens is too large: a chunk with one of its variants would have ",
                         width.Max(), " packed tokens in a layer, expected at most ", kMaxIndex));
      }
      chunk.cost = width.Sum();
      chunk.parts.push_back(
          {.prompt = prompt, .first_leaf = first_leaf, .end_leaf = leaf, .reports_baseline = is_first});
      chunks_.push_back(std::move(chunk));
    } while (leaf < n_leaves);
    if (chunks_.size() > first_chunk + 1) {
      chunks_[first_chunk].keeps_baselines = true;
      chunks_.back().releases_baselines = true;
    }
    return absl::OkStatus();
  }

  ChunkWidth WidthOf(const PartWidth& part, int32_t first_layer) const {
    ChunkWidth width(n_layers_);
    width.Add(part, first_layer);
    return width;
  }

  const absl::Span<const Trie> tries_;
  const int32_t n_layers_;
  const int64_t max_tokens_, first_tokens_;
  std::vector<ChunkSpec> chunks_;
  // The chunk that takes the next prompt that fits whole.
  ChunkSpec open_;
  ChunkWidth open_width_;
};

}  // namespace

absl::StatusOr<std::vector<ChunkSpec>> CutIntoChunks(absl::Span<const Trie> tries, const PlanOptions& options) {
  return Chunker(tries, options).Run();
}

}  // namespace ablate
