#include "engine/model/tokenizer/bpe.h"

#include <cstddef>
#include <queue>
#include <tuple>
#include <utility>

namespace ablate::tokenizer {
namespace {

constexpr int64_t kNone = -1;

struct Symbol {
  int32_t id;
  int64_t previous, next;  // indices, kNone at the ends
  bool live = true;
};

// A merge that may apply at a symbol and its successor; stale once one of them has changed.
struct Candidate {
  int32_t rank;
  int64_t position;
  int32_t merged;
};

struct Later {
  bool operator()(const Candidate& a, const Candidate& b) const {
    return std::tie(a.rank, a.position) > std::tie(b.rank, b.position);
  }
};

uint64_t Key(int32_t left, int32_t right) {
  return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32U | static_cast<uint32_t>(right);
}

}  // namespace

bool Bpe::AddMerge(int32_t left, int32_t right, int32_t merged) {
  const auto rank = static_cast<int32_t>(merges_.size());
  return merges_.try_emplace(Key(left, right), Merge{rank, merged}).second;
}

std::optional<Bpe::Merge> Bpe::Find(int32_t left, int32_t right) const {
  const auto found = merges_.find(Key(left, right));
  if (found == merges_.end()) return std::nullopt;
  return found->second;
}

void Bpe::Encode(std::string_view piece, std::vector<int32_t>& ids) const {
  const auto size = static_cast<int64_t>(piece.size());
  if (size == 1) {
    ids.push_back(byte_ids_[static_cast<uint8_t>(piece[0])]);
    return;
  }
  std::vector<Symbol> symbols;
  symbols.reserve(piece.size());
  for (int64_t i = 0; i < size; ++i) {
    const int32_t id = byte_ids_[static_cast<uint8_t>(piece[i])];
    symbols.push_back({.id = id, .previous = i - 1, .next = i + 1 < size ? i + 1 : kNone});
  }

  std::vector<Candidate> room;
  room.reserve(piece.size());
  std::priority_queue<Candidate, std::vector<Candidate>, Later> queue(Later(), std::move(room));
  const auto propose = [&](int64_t position) {
    if (position == kNone || symbols[position].next == kNone) return;
    const std::optional<Merge> merge = Find(symbols[position].id, symbols[symbols[position].next].id);
    if (merge.has_value()) queue.push({merge->rank, position, merge->merged});
  };
  for (int64_t i = 0; i < size; ++i) propose(i);

  while (!queue.empty()) {
    const Candidate top = queue.top();
    queue.pop();
    Symbol& left = symbols[top.position];
    if (!left.live || left.next == kNone) continue;
    Symbol& right = symbols[left.next];
    // Compared by result, not by rank: where two pairs make one token, an entry of the one vouches for the other
    // (Hugging Face's rule, kept for equal ids).
    const std::optional<Merge> merge = Find(left.id, right.id);
    if (!merge.has_value() || merge->merged != top.merged) continue;
    left.id = top.merged;
    left.next = right.next;
    right.live = false;
    if (left.next != kNone) symbols[left.next].previous = top.position;
    propose(left.previous);
    propose(top.position);
  }
  for (int64_t i = size == 0 ? kNone : 0; i != kNone; i = symbols[i].next) ids.push_back(symbols[i].id);
}

}  // namespace ablate::tokenizer
