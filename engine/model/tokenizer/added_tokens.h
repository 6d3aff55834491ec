// Tokens that are recognised in the text itself, before it is cut into pieces: `<|endoftext|>` and a model's own.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ablate::tokenizer {

struct AddedToken {
  std::string content;
  int32_t id = -1;
  // Hugging Face looks for the tokens that are not `normalized` first, and for the others in what remains.
  bool normalized = false;
};

// A stretch of text: plain where `id` is -1, else a token.
struct Span {
  std::string_view text;
  int32_t id = -1;
};

class AddedTokens {
 public:
  explicit AddedTokens(std::vector<AddedToken> tokens);
  // The indices point into the tokens, which a move leaves where they are and a copy would not.
  AddedTokens(const AddedTokens&) = delete;
  AddedTokens& operator=(const AddedTokens&) = delete;
  AddedTokens(AddedTokens&&) = default;
  AddedTokens& operator=(AddedTokens&&) = default;

  // Spans that cover all of `text`, in order, none of them empty; tokens are found leftmost first, the longest of those
  // that begin at one place.
  std::vector<Span> Split(std::string_view text) const;

 private:
  // Tokens by their first byte, longest first.
  using Index = std::array<std::vector<const AddedToken*>, 256>;
  static void SplitBy(const Index& index, std::string_view text, std::vector<Span>& out);

  std::vector<AddedToken> tokens_;
  Index verbatim_, normalized_;
};

}  // namespace ablate::tokenizer
