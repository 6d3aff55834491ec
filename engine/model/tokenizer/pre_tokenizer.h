// Cuts text into the pieces inside which BPE merges, as GPT-2's pattern does:
//
//   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
#pragma once

#include <cstddef>
#include <string_view>

namespace ablate::tokenizer {

// Length in bytes of the piece at the beginning of `text`, which is UTF-8 and not empty. Pieces cover all of a text:
// cut one off, go on with the rest. The time is linear in the piece and the one character after it.
size_t NextPiece(std::string_view text);

}  // namespace ablate::tokenizer
