// Byte-pair merging of one piece.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"

namespace ablate::tokenizer {

// Immutable once filled; Encode may run in many threads.
class Bpe {
 public:
  // The id of each single byte.
  explicit Bpe(const std::array<int32_t, 256>& byte_ids) : byte_ids_(byte_ids) {}

  // Adds the next merge, `left` + `right` -> `merged`; earlier ones come first. False where the pair has one already.
  bool AddMerge(int32_t left, int32_t right, int32_t merged);

  // Appends the ids of `piece`: again and again the first merge in the list that applies, at its leftmost place (a
  // heap, as in Hugging Face's tokenizers, so n bytes take O(n log n) whatever they are).
  void Encode(std::string_view piece, std::vector<int32_t>& ids) const;

 private:
  struct Merge {
    int32_t rank, merged;
  };
  std::optional<Merge> Find(int32_t left, int32_t right) const;

  std::array<int32_t, 256> byte_ids_;
  absl::flat_hash_map<uint64_t, Merge> merges_;  // by left << 32 | right
};

}  // namespace ablate::tokenizer
