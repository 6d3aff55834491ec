#include "server/verify/floor_file.h"

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/files/durable_file.h"
#include "engine/files/mapped_file.h"
#include "engine/files/strict_json.h"

namespace ablate {
namespace {

using Json = nlohmann::json;

constexpr char kFormat[] = "ablate.numeric_floor";
constexpr int kVersion = 1;
// A measurement takes some 20 KB.
constexpr size_t kMaxBytes = size_t{16} << 20;

absl::Status NotOurs(const std::string& path, std::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat(path, ": no numeric floor of `ablated verify`: ", std::string(why)));
}

// The whole file, or an empty one where there is none (`exists`).
struct Content {
  bool exists = false;
  Json measurements = Json::array();
};

absl::StatusOr<Content> ReadContent(const std::string& path) {
  const absl::StatusOr<MappedFile> file = MappedFile::Open(path);
  if (absl::IsNotFound(file.status())) return Content{};
  if (!file.ok()) return file.status();
  if (file->bytes().size() > kMaxBytes) {
    return NotOurs(path, absl::StrCat("it has ", file->bytes().size(), " bytes, expected at most ", kMaxBytes));
  }
  const std::string_view text(reinterpret_cast<const char*>(file->bytes().data()), file->bytes().size());
  absl::StatusOr<Json> root = ParseStrictJson(text, path);
  if (!root.ok()) return root.status();
  if (root->value("format", Json()) != kFormat) {
    return NotOurs(path, absl::StrCat("its `format` is not `", kFormat, "`"));
  }
  if (root->value("version", Json()) != kVersion) {
    return NotOurs(path,
                   absl::StrCat("its `version` is ", Quote(root->value("version", Json())), ", expected ", kVersion));
  }
  const auto found = root->find("measurements");
  if (found == root->end() || !found->is_array()) return NotOurs(path, "`measurements` is no list");
  for (const Json& measurement : *found) {
    if (!measurement.is_object()) return NotOurs(path, "a measurement is no object");
  }
  return Content{.exists = true, .measurements = std::move(*found)};
}

Json KeyJson(const FloorKey& key) {
  return {{"weights_sha256", key.weights_sha256},
          {"device_name", key.device_name},
          {"precision", key.precision},
          {"engine_version", key.engine_version},
          {"torch_version", key.torch_version}};
}

bool IsUnder(const Json& measurement, const Json& key) {
  return measurement.value("key", Json()) == key;
}

absl::StatusOr<std::vector<NumericFloor>> ReadMeasurement(const std::string& path, const Json& measurement) {
  const auto found = measurement.find("columns");
  if (found == measurement.end() || !found->is_array()) return NotOurs(path, "`columns` is no list");
  std::vector<NumericFloor> floors;
  std::set<std::pair<std::string, int32_t>> seen;
  for (const Json& entry : *found) {
    const auto field = [&](const char* name) { return entry.is_object() ? entry.value(name, Json()) : Json(); };
    const Json column = field("column"), n_tokens = field("n_tokens"), floor = field("floor");
    const bool fits = column.is_string() && n_tokens.is_number_integer() && n_tokens >= 1 && n_tokens <= INT32_MAX &&
                      floor.is_number() && std::isfinite(floor.get<double>()) && floor >= 0;
    if (!fits || !seen.emplace(column, n_tokens).second) {
      return NotOurs(path, absl::StrCat("an entry of `columns` is ", Quote(entry),
                                        ", expected a column, n_tokens >= 1 and a finite floor >= 0, each once"));
    }
    floors.push_back({.column = column, .n_tokens = n_tokens, .floor = floor});
  }
  return floors;
}

}  // namespace

FloorKey MakeFloorKey(const EngineInfo& info, std::string_view engine_version) {
  return {.weights_sha256 = info.weights_sha256,
          .device_name = info.device_name,
          .precision = std::string(Name(info.precision)),
          .engine_version = std::string(engine_version),
          .torch_version = info.torch_version};
}

std::string DefaultFloorFile(const std::string& model_dir) {
  return (std::filesystem::path(model_dir) / "numeric_floor.json").string();
}

absl::StatusOr<std::vector<NumericFloor>> ReadFloors(const std::string& path, const FloorKey& key) {
  const absl::StatusOr<Content> content = ReadContent(path);
  if (!content.ok()) return content.status();
  if (!content->exists) return absl::NotFoundError(absl::StrCat(path, ": no such file"));
  const Json wanted = KeyJson(key);
  for (const Json& measurement : content->measurements) {
    if (IsUnder(measurement, wanted)) return ReadMeasurement(path, measurement);
  }
  return absl::NotFoundError(absl::StrCat(path, ": nothing measured for this model on ", key.device_name, " in ",
                                          key.precision, " with version ", key.engine_version, " and torch ",
                                          key.torch_version));
}

absl::Status WriteFloors(const std::string& path, const FloorKey& key, absl::Span<const ColumnError> errors) {
  absl::StatusOr<Content> content = ReadContent(path);
  if (!content.ok()) return content.status();
  const Json wanted = KeyJson(key);
  Json kept = Json::array();
  for (Json& measurement : content->measurements) {
    if (!IsUnder(measurement, wanted)) kept.push_back(std::move(measurement));
  }
  Json columns = Json::array();
  for (const ColumnError& error : errors) {
    if (error.stats.n_values == 0) continue;
    columns.push_back({{"column", error.column},
                       {"n_tokens", error.n_tokens},
                       {"n_values", error.stats.n_values},
                       {"median", error.stats.median},
                       {"floor", error.stats.floor},
                       {"worst", error.stats.worst}});
  }
  kept.push_back({{"key", wanted}, {"columns", std::move(columns)}});
  const Json root = {{"format", kFormat}, {"version", kVersion}, {"measurements", std::move(kept)}};
  // A device's name is whatever its driver says.
  const std::string text = root.dump(1, ' ', false, Json::error_handler_t::replace) + '\n';
  return WriteDurably(path, [&](int64_t offset) { return offset == 0 ? text : std::string(); });
}

}  // namespace ablate
