#include "server/quote.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace ablate {

std::string Truncated(absl::string_view text, size_t max_bytes) {
  if (text.size() <= max_bytes) return std::string(text);
  size_t end = max_bytes;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return std::string(text.substr(0, end)) + " ...";
}

std::string Quoted(absl::string_view text) {
  constexpr size_t kMaxBytes = 80;
  std::string quoted = "\"";
  for (const char c : Truncated(text, kMaxBytes)) {
    if (c == '"' || c == '\\') {
      quoted += {'\\', c};
    } else if (c == '\n') {
      quoted += "\\n";
    } else if (c == '\t') {
      quoted += "\\t";
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
      quoted += absl::StrFormat("\\x%02x", static_cast<unsigned char>(c));
    } else {
      quoted += c;
    }
  }
  return quoted + "\"";
}

std::string Between(int64_t least, int64_t most) {
  return least == most ? absl::StrCat("exactly ", least) : absl::StrCat(least, " .. ", most);
}

}  // namespace ablate
