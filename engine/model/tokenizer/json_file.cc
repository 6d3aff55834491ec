#include "engine/model/tokenizer/json_file.h"

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <optional>
#include <system_error>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "engine/model/tokenizer/utf8.h"

namespace ablate::tokenizer {
namespace {

using nlohmann::json;

constexpr int kMaxDepth = 32;

// Notices what a parsed document no longer shows: repeated keys, and nesting that no tokenizer has.
class Watcher {
 public:
  bool operator()(int depth, json::parse_event_t event, const json& parsed) {
    if (depth > kMaxDepth) too_deep_ = true;
    if (event == json::parse_event_t::object_start) {
      keys_.emplace_back();
    } else if (event == json::parse_event_t::object_end) {
      keys_.pop_back();
    } else if (event == json::parse_event_t::key && !repeated_.has_value()) {
      const auto& key = parsed.get_ref<const std::string&>();
      if (!keys_.back().insert(key).second) repeated_ = key;
    }
    return !too_deep_;
  }

  absl::Status Check(const std::string& path) const {
    if (too_deep_) return absl::InvalidArgumentError(absl::StrCat(path, ": nested deeper than ", kMaxDepth, " levels"));
    if (repeated_.has_value()) {
      return absl::InvalidArgumentError(absl::StrCat(path, ": the key ", json(*repeated_).dump(), " stands twice"));
    }
    return absl::OkStatus();
  }

 private:
  std::vector<absl::flat_hash_set<std::string>> keys_;
  std::optional<std::string> repeated_;
  bool too_deep_ = false;
};

}  // namespace

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (!std::filesystem::exists(status)) return absl::NotFoundError(absl::StrCat(path, ": no such file"));
  if (!std::filesystem::is_regular_file(status)) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": not a regular file"));
  }
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    return absl::ErrnoToStatus(errno, absl::StrCat(path, ": cannot be opened"));
  }
  std::string text(std::istreambuf_iterator<char>(file), {});
  if (file.bad()) return absl::DataLossError(absl::StrCat(path, ": cannot be read"));
  return text;
}

absl::StatusOr<json> ParseJsonObject(const std::string& path, const std::string& text) {
  Watcher watcher;
  json root;
  try {
    root = json::parse(text, std::ref(watcher));
  } catch (const json::exception& error) {
    // `[json.exception.parse_error.101] parse error at line 1, column 2: ...`: the part in brackets is the library's.
    std::string what = error.what();
    const size_t bracket = what.find("] ");
    if (bracket != std::string::npos) what.erase(0, bracket + 2);
    return absl::InvalidArgumentError(absl::StrCat(path, ": not JSON: ", ToUtf8Lossy(what)));
  }
  if (absl::Status status = watcher.Check(path); !status.ok()) return status;
  if (!root.is_object()) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": expected a JSON object, got ", root.type_name()));
  }
  return root;
}

}  // namespace ablate::tokenizer
