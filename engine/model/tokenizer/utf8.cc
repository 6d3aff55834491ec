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
  char32_t code_point = uint32_t{first} & (0x7FU >> lead.length);
  for (size_t i = 1; i < lead.length; ++i) {
    if (offset + i >= text.size()) return {.length = i};
    const uint8_t byte = text[offset + i];
    const uint8_t min = i == 1 ? lead.second_min : 0x80;
    const uint8_t max = i == 1 ? lead.second_max : 0xBF;
    if (byte < min || byte > max) return {.length = i};
    code_point = code_point << 6U | (uint32_t{byte} & 0x3FU);
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
  size_t valid = 0;  // where the valid bytes before `offset` begin
  for (size_t offset = 0; offset < bytes.size();) {
    const Utf8Step step = StepUtf8(bytes, offset);
    if (!step.valid) {
      out.append(bytes.substr(valid, offset - valid)).append("\xEF\xBF\xBD");
      valid = offset + step.length;
    }
    offset += step.length;
  }
  out.append(bytes.substr(valid));
  return out;
}

void AppendUtf8(char32_t code_point, std::string& out) {
  // The leading byte's mark and its share of the bits, then six bits a byte.
  const auto put = [&out](char32_t byte) { out.push_back(static_cast<char>(byte)); };
  const auto put_rest = [&](uint32_t bytes) {
    for (uint32_t shift = 6 * bytes; shift > 0;) {
      shift -= 6;
      put(0x80U | (code_point >> shift & 0x3FU));
    }
  };
  if (code_point < 0x80) {
    put(code_point);
  } else if (code_point < 0x800) {
    put(0xC0U | code_point >> 6U);
    put_rest(1);
  } else if (code_point < 0x10000) {
    put(0xE0U | code_point >> 12U);
    put_rest(2);
  } else {
    put(0xF0U | code_point >> 18U);
    put_rest(3);
  }
}

}  // namespace ablate::tokenizer
