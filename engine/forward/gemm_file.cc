#include "engine/forward/gemm_file.h"

#include <cstdint>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "engine/files/durable_file.h"
#include "engine/files/mapped_file.h"
#include "engine/files/sha256.h"
#include "engine/files/strict_json.h"

namespace ablate {
namespace {

using kernels::GemmAlgorithm;
using kernels::GemmEpilogue;
using kernels::GemmPrecision;
using kernels::GemmShape;
using kernels::MeasuredGemm;
using Json = nlohmann::json;

// Of the file; another is not read.
constexpr int kFormat = 1;

constexpr std::pair<std::string_view, GemmPrecision> kPrecisionNames[] = {
    {"float32", GemmPrecision::kFloat32}, {"tf32", GemmPrecision::kTf32}, {"bf16", GemmPrecision::kBf16}};
constexpr std::pair<std::string_view, GemmEpilogue> kEpilogueNames[] = {
    {"none", GemmEpilogue::kNone}, {"gelu_tanh", GemmEpilogue::kGeluTanh}, {"add_to", GemmEpilogue::kAddTo}};

constexpr std::pair<const char*, int64_t GemmShape::*> kSizes[] = {{"m", &GemmShape::m},
                                                                   {"k", &GemmShape::k},
                                                                   {"n", &GemmShape::n},
                                                                   {"x_stride", &GemmShape::x_stride},
                                                                   {"weight_stride", &GemmShape::weight_stride},
                                                                   {"out_stride", &GemmShape::out_stride}};
constexpr std::pair<const char*, uint32_t GemmShape::*> kAlignments[] = {
    {"x_alignment", &GemmShape::x_alignment},
    {"weight_alignment", &GemmShape::weight_alignment},
    {"bias_alignment", &GemmShape::bias_alignment},
    {"out_alignment", &GemmShape::out_alignment}};

template <typename Names, typename Value>
std::string NameOf(const Names& names, Value value) {
  for (const auto& [name, named] : names) {
    if (named == value) return std::string(name);
  }
  return "";
}

template <typename Names, typename Value>
bool Parse(const Names& names, const Json& text, Value& value) {
  for (const auto& [name, named] : names) {
    if (text != name) continue;
    value = named;
    return true;
  }
  return false;
}

Json ToJson(const MeasuredGemm& measured) {
  Json json = {{"transposed", measured.shape.weight_is_transposed},
               {"precision", NameOf(kPrecisionNames, measured.shape.precision)},
               {"epilogue", NameOf(kEpilogueNames, measured.shape.epilogue)},
               {"algorithm", measured.algorithm},
               {"microseconds", measured.microseconds}};
  for (const auto& [name, size] : kSizes) json[name] = measured.shape.*size;
  for (const auto& [name, alignment] : kAlignments) json[name] = measured.shape.*alignment;
  return json;
}

// Nothing where a value is missing or is none that was ever written.
std::optional<MeasuredGemm> FromJson(const Json& json) {
  MeasuredGemm measured;
  try {
    measured.shape.weight_is_transposed = json.at("transposed").get<bool>();
    if (!Parse(kPrecisionNames, json.at("precision"), measured.shape.precision)) return std::nullopt;
    if (!Parse(kEpilogueNames, json.at("epilogue"), measured.shape.epilogue)) return std::nullopt;
    measured.algorithm = json.at("algorithm").get<GemmAlgorithm>();
    measured.microseconds = json.at("microseconds").get<double>();
    for (const auto& [name, size] : kSizes) measured.shape.*size = json.at(name).get<int64_t>();
    for (const auto& [name, alignment] : kAlignments) measured.shape.*alignment = json.at(name).get<uint32_t>();
  } catch (const Json::exception&) {
    return std::nullopt;
  }
  for (const auto& [name, size] : kSizes) {
    if (measured.shape.*size < 1 || measured.shape.*size > INT32_MAX) return std::nullopt;
  }
  return measured.microseconds > 0 ? std::optional(measured) : std::nullopt;
}

Json HeadOf(const GemmPlatform& platform) {
  return {{"format", kFormat},
          {"gpu", platform.gpu},
          {"multiprocessors", platform.multiprocessors},
          {"cublaslt", platform.cublaslt_version}};
}

absl::StatusOr<std::string> DigestOf(const Json& content) {
  const std::string text = content.dump();
  const absl::Span<const uint8_t> bytes(reinterpret_cast<const uint8_t*>(text.data()), text.size());
  return Sha256Hex({&bytes, 1});
}

// `nvidia-h100-80gb-hbm3-132-130100`
std::string NameOf(const GemmPlatform& platform) {
  std::string name;
  for (const char c : absl::StrCat(platform.gpu, " ", platform.multiprocessors, " ", platform.cublaslt_version)) {
    if (absl::ascii_isalnum(c)) {
      name += absl::ascii_tolower(c);
    } else if (!name.empty() && name.back() != '-') {
      name += '-';
    }
  }
  return name;
}

}  // namespace

GemmFile::GemmFile(const std::string& folder, GemmPlatform platform)
    : path_((std::filesystem::path(folder) / absl::StrCat("gemm-", NameOf(platform), ".json")).string()),
      platform_(std::move(platform)) {}

absl::StatusOr<std::vector<MeasuredGemm>> GemmFile::Read() const {
  const absl::StatusOr<MappedFile> file = MappedFile::Open(path_);
  if (absl::IsNotFound(file.status())) return std::vector<MeasuredGemm>();
  if (!file.ok()) return file.status();
  const absl::Span<const uint8_t> bytes = file->bytes();
  absl::StatusOr<Json> json = ParseStrictJson({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, path_);
  if (!json.ok()) return json.status();
  const Json digest = json->contains("sha256") ? (*json)["sha256"] : Json();
  json->erase("sha256");
  const absl::StatusOr<std::string> expected = DigestOf(*json);
  if (!expected.ok()) return expected.status();
  if (digest != *expected) return absl::DataLossError(absl::StrCat(path_, ": sha256 does not fit what it says"));
  const Json products = json->contains("products") ? (*json)["products"] : Json();
  json->erase("products");
  if (*json != HeadOf(platform_) || !products.is_array()) {
    return absl::FailedPreconditionError(absl::StrCat(path_, ": of another format, GPU or version of cuBLASLt"));
  }
  std::vector<MeasuredGemm> all;
  for (const Json& product : products) {
    const std::optional<MeasuredGemm> measured = FromJson(product);
    if (!measured.has_value())
      return absl::DataLossError(absl::StrCat(path_, ": products[", all.size(), "] is no measured product"));
    all.push_back(*measured);
  }
  return all;
}

absl::Status GemmFile::Add(absl::Span<const MeasuredGemm> measured) const {
  std::map<GemmShape, MeasuredGemm> all;
  if (const auto kept = Read(); kept.ok()) {
    for (const MeasuredGemm& one : *kept) all.emplace(one.shape, one);
  }
  for (const MeasuredGemm& one : measured) {
    if (all.size() < kMost || all.contains(one.shape)) all.insert_or_assign(one.shape, one);
  }
  Json json = HeadOf(platform_);
  json["products"] = Json::array();
  for (const auto& [shape, one] : all) json["products"].push_back(ToJson(one));
  const absl::StatusOr<std::string> digest = DigestOf(json);
  if (!digest.ok()) return digest.status();
  json["sha256"] = *digest;
  const std::filesystem::path folder = std::filesystem::path(path_).parent_path();
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return absl::FailedPreconditionError(absl::StrCat("make ", folder.string(), ": ", error.message()));
  const std::string text = json.dump() + "\n";
  return WriteDurably(path_, [&](int64_t offset) { return text.substr(static_cast<size_t>(offset)); });
}

}  // namespace ablate
