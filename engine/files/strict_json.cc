#include "engine/files/strict_json.h"

#include <unordered_set>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace ablate {
namespace {

using nlohmann::json;

constexpr size_t kMaxDepth = 32;
constexpr size_t kMaxQuotedBytes = 100;

std::string Backquoted(const std::string& text) {
  return absl::StrCat("`", text.substr(0, kMaxQuotedBytes), text.size() > kMaxQuotedBytes ? "...`" : "`");
}

// Keeps no values: it only looks for what the tree parser would swallow. Returning false stops the parser.
class Checker : public nlohmann::json_sax<json> {
 public:
  const std::string& error() const { return error_; }

  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_object(std::size_t) override { return Enter(); }
  bool end_object() override { return Leave(); }
  bool start_array(std::size_t) override { return Enter(); }
  bool end_array() override { return Leave(); }

  bool key(string_t& name) override {
    if (keys_.back().insert(name).second) return true;
    error_ = absl::StrCat("key ", Quote(std::string_view(name)), " appears twice in one object, expected once");
    return false;
  }

  bool parse_error(std::size_t position, const std::string& token, const json::exception&) override {
    error_ = token.empty()
                 ? absl::StrCat("not valid JSON, the text ends at byte ", position)
                 : absl::StrCat("not valid JSON at byte ", position, ", near ", Quote(std::string_view(token)));
    return false;
  }

 private:
  bool Enter() {
    if (keys_.size() == kMaxDepth) {
      error_ = absl::StrCat("JSON nested deeper than ", kMaxDepth, " levels");
      return false;
    }
    keys_.emplace_back();
    return true;
  }

  bool Leave() {
    keys_.pop_back();
    return true;
  }

  // One set for each open object or array.
  std::vector<std::unordered_set<std::string>> keys_;
  std::string error_;
};

}  // namespace

std::string Quote(std::string_view text) {
  std::string escaped = json(text).dump(-1, ' ', /*ensure_ascii=*/true, json::error_handler_t::replace);
  return Backquoted(escaped.substr(1, escaped.size() - 2));
}

std::string Quote(const json& value) {
  return Backquoted(value.dump(-1, ' ', /*ensure_ascii=*/true, json::error_handler_t::replace));
}

absl::StatusOr<json> ParseStrictJson(std::string_view text, std::string_view where) {
  const absl::string_view prefix(where.data(), where.size());
  const size_t nul = text.find('\0');
  if (nul != std::string_view::npos) {
    return absl::InvalidArgumentError(absl::StrCat(prefix, ": not valid JSON, a NUL byte at byte ", nul));
  }
  Checker checker;
  if (!json::sax_parse(text, &checker)) {
    return absl::InvalidArgumentError(absl::StrCat(prefix, ": ", checker.error()));
  }
  json value = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!value.is_object()) {
    return absl::InvalidArgumentError(
        absl::StrCat(prefix, ": a JSON ", value.type_name(), " came, expected a JSON object"));
  }
  return value;
}

}  // namespace ablate
