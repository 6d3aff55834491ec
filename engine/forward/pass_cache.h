// Which recorded pass serves a chunk, which shapes are worth recording, and which recordings stay. Knows no device.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <utility>

#include "engine/plan/pass_shape.h"

namespace ablate {

// `Pass` is what was recorded. Not thread-safe.
template <typename Pass>
class PassCache {
 public:
  explicit PassCache(int64_t most_bytes) : most_bytes_(most_bytes) {}

  // Of the recordings that `is_usable(pass)`, the one of the smallest room that holds `need` and has at most an eighth
  // more tokens, or as many as its own room would have; null where there is none. It lives until the next Add or Clear.
  template <typename IsUsable>
  Pass* Find(const PassShape& need, IsUsable is_usable) {
    const int64_t most = std::max(need.tokens() + need.tokens() / kLargestExcess, RoomFor(need).tokens());
    auto found = entries_.end();
    for (auto entry = entries_.begin(); entry != entries_.end(); ++entry) {
      if (!Holds(entry->room, need) || entry->tokens > most) continue;
      if (!is_usable(*entry->pass)) continue;
      if (found == entries_.end() || entry->tokens < found->tokens) found = entry;
    }
    if (found == entries_.end()) return nullptr;
    entries_.splice(entries_.begin(), entries_, found);
    return found->pass.get();
  }

  // Takes note of a pass, and tells whether one of its kind came lately: as many layers, and as many tokens within a
  // sixteenth. Recording costs some passes, and many kinds come once.
  bool Remember(const PassShape& shape) {
    const auto is_alike = [&](const Kind& kind) {
      return kind.layers == shape.layers.size() &&
             std::max(kind.tokens, shape.tokens()) * kSlack <= std::min(kind.tokens, shape.tokens()) * (kSlack + 1);
    };
    const auto found = std::find_if(seen_.begin(), seen_.end(), is_alike);
    if (found != seen_.end()) {
      seen_.erase(found);
      return true;
    }
    seen_.push_front({shape.layers.size(), shape.tokens()});
    if (seen_.size() > kMostSeen) seen_.pop_back();
    return false;
  }

  // The ones used longest ago go until all take no more than `most_bytes`; a recording that alone takes more is kept
  // until the next one comes.
  Pass& Add(PassShape room, std::unique_ptr<Pass> pass, int64_t bytes) {
    bytes_ += bytes;
    while (!entries_.empty() && bytes_ > most_bytes_) {
      bytes_ -= entries_.back().bytes;
      entries_.pop_back();
    }
    const int64_t tokens = room.tokens();
    entries_.push_front({std::move(room), tokens, bytes, std::move(pass)});
    return *entries_.front().pass;
  }

  void Clear() {
    entries_.clear();
    bytes_ = 0;
  }

  // The recording that Find gave last is of no use any more.
  void DropFront() {
    bytes_ -= entries_.front().bytes;
    entries_.pop_front();
  }

  size_t size() const { return entries_.size(); }
  int64_t bytes() const { return bytes_; }

 private:
  // Of the tokens that are needed: so many more, and within so much alike.
  static constexpr int64_t kLargestExcess = 8, kSlack = 16;
  static constexpr size_t kMostSeen = 64;

  struct Kind {
    size_t layers;
    int64_t tokens;
  };
  struct Entry {
    PassShape room;
    int64_t tokens;
    int64_t bytes;
    std::unique_ptr<Pass> pass;
  };

  const int64_t most_bytes_;
  int64_t bytes_ = 0;
  std::list<Entry> entries_;  // the last used in front
  std::list<Kind> seen_;      // the last seen in front
};

}  // namespace ablate
