#include "engine/model/tokenizer/utf8.h"

#include <cstdint>

namespace ablate::tokenizer {
namespace {

struct Lead {
  size_t length;                   // of the whole character; 0: no character begins so
  uint8_t second_min, second_max;  // the second byte's range excludes overlong forms, surrogates and > U+10FFFF
};

// Unicode's table 3-7, "Well-Formed UTF-8 Byte Sequences".
Lead LeadOf(uint8_t byte) {
  if (byte < 0x80) return {1, 0, 0};
  if (byte < 0xC2) return {0, 0, 0};
  if (byte < 0xE0) return {2, 0x80, 0xBF};
  if (byte == 0xE0) return {3, 0xA0, 0xBF};
  if (byte == 0xED) return {3, 0x80, 0x9F};
  if (byte < 0xF0) return {3, 0x80, 0xBF};
  if (byte == 0xF0) return {4, 0x90, 0xBF};
  if (byte < 0xF4) return {4, 0x80, 0xBF};
  if (byte == 0xF4) return {4, 0x80, 0x8F};
  return {0, 0, 0};
}

}  // namespace

Utf8Step StepUtf8(std::string_view text, size_t offset) {
  const uint8_t first = text[offset];
  const Lead lead = LeadOf(first);
  if (lead.length == 0) return {.length = 1};
  if (lead.length == 1) return {.code_point = first, .length = 1, .valid = true};
  char32_t code_point = first & (0x7F >> lead.length);
  for (size_t i = 1; i < lead.length; ++i) {
    if (offset + i >= text.size()) return {.length = i};
    const uint8_t byte = text[offset + i];
    const uint8_t min = i == 1 ? lead.second_min : 0x80;
    const uint8_t max = i == 1 ? lead.second_max : 0xBF;
    if (byte < min || byte > max) return {.length = i};
    code_point = code_point << 6 | (byte & 0x3F);
  }
  return {.code_point = code_point, .length = lead.length, .valid = true};
}

std::optional<size_t> FindInvalidUtf8(std::string_view text) {
  for (size_t offset = 0; offset < text.size();) {
    const Utf8Step step = StepUtf8(text, offset);
    if (!step.valid) return offset;
    offset += step.length;
  }
  return std::nullopt;
}

std::string ToUtf8Lossy(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size());
  for (size_t offset = 0; offset < bytes.size();) {
    const Utf8Step step = StepUtf8(bytes, offset);
    out.append(step.valid ? bytes.substr(offset, step.length) : std::string_view("\xEF\xBF\xBD"));
    offset += step.length;
  }
  return out;
}

void AppendUtf8(char32_t code_point, std::string& out) {
  if (code_point < 0x80) {
    out.push_back(static_cast<char>(code_point));
  } else if (code_point < 0x800) {
    out.push_back(static_cast<char>(0xC0 | code_point >> 6));
    out.push_back(static_cast<char>(0x80 | (code_point & 0x3F)));
  } else if (code_point < 0x10000) {
    out.push_back(static_cast<char>(0xE0 | code_point >> 12));
    out.push_back(static_cast<char>(0x80 | (code_point >> 6 & 0x3F)));
    out.push_back(static_cast<char>(0x80 | (code_point & 0x3F)));
  } else {
    out.push_back(static_cast<char>(0xF0 | code_point >> 18));
    out.push_back(static_cast<char>(0x80 | (code_point >> 12 & 0x3F)));
    out.push_back(static_cast<char>(0x80 | (code_point >> 6 & 0x3F)));
    out.push_back(static_cast<char>(0x80 | (code_point & 0x3F)));
  }
}

}  // namespace ablate::tokenizer
