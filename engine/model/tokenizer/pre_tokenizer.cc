#include "engine/model/tokenizer/pre_tokenizer.h"

#include "engine/model/tokenizer/unicode_class.h"
#include "engine/model/tokenizer/utf8.h"

namespace ablate::tokenizer {
namespace {

constexpr std::string_view kContractions[] = {"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"};

// End of the run of characters of one class that begins at `offset`.
size_t EndOfRun(std::string_view text, size_t offset, UnicodeClass wanted) {
  while (offset < text.size()) {
    const Utf8Step step = StepUtf8(text, offset);
    if (ClassOf(step.code_point) != wanted) break;
    offset += step.length;
  }
  return offset;
}

// `\s+(?!\S)|\s+`: the run gives its last character back where something else follows, unless it is the only one.
size_t EndOfSpaces(std::string_view text) {
  size_t last = 0, end = 0;
  while (end < text.size()) {
    const Utf8Step step = StepUtf8(text, end);
    if (ClassOf(step.code_point) != UnicodeClass::kSpace) return last == 0 ? end : last;
    last = end;
    end += step.length;
  }
  return end;
}

}  // namespace

size_t NextPiece(std::string_view text) {
  if (text[0] == '\'') {
    for (std::string_view contraction : kContractions) {
      if (text.starts_with(contraction)) return contraction.size();
    }
  }
  // ` ?` takes a space along only where a character of another class than space follows.
  const size_t begin = text[0] == ' ' && text.size() > 1 ? 1 : 0;
  const UnicodeClass unicode_class = ClassOf(StepUtf8(text, begin).code_point);
  if (unicode_class == UnicodeClass::kSpace) return EndOfSpaces(text);
  return EndOfRun(text, begin, unicode_class);
}

}  // namespace ablate::tokenizer
