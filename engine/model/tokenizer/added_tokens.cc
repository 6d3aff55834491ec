#include "engine/model/tokenizer/added_tokens.h"

#include <algorithm>
#include <utility>

namespace ablate::tokenizer {

AddedTokens::AddedTokens(std::vector<AddedToken> tokens) : tokens_(std::move(tokens)) {
  std::sort(tokens_.begin(), tokens_.end(),
            [](const AddedToken& a, const AddedToken& b) { return a.content.size() > b.content.size(); });
  for (const AddedToken& token : tokens_) {
    Index& index = token.normalized ? normalized_ : verbatim_;
    index[static_cast<uint8_t>(token.content[0])].push_back(&token);
  }
}

void AddedTokens::SplitBy(const Index& index, std::string_view text, std::vector<Span>& out) {
  size_t plain = 0;  // where the plain text before `at` begins
  for (size_t at = 0; at < text.size();) {
    const auto& candidates = index[static_cast<uint8_t>(text[at])];
    const auto found = std::find_if(candidates.begin(), candidates.end(), [&](const AddedToken* token) {
      return text.substr(at).starts_with(token->content);
    });
    if (found == candidates.end()) {
      ++at;
      continue;
    }
    if (plain < at) out.push_back({text.substr(plain, at - plain)});
    plain = at + (*found)->content.size();
    out.push_back({text.substr(at, plain - at), (*found)->id});
    at = plain;
  }
  if (plain < text.size()) out.push_back({text.substr(plain)});
}

std::vector<Span> AddedTokens::Split(std::string_view text) const {
  std::vector<Span> verbatim, spans;
  SplitBy(verbatim_, text, verbatim);
  for (const Span& span : verbatim) {
    if (span.id >= 0) {
      spans.push_back(span);
    } else {
      SplitBy(normalized_, span.text, spans);
    }
  }
  return spans;
}

}  // namespace ablate::tokenizer
