#include "engine/forward/tuning_file.h"

#include <cstdint>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "engine/files/durable_file.h"
#include "engine/files/mapped_file.h"
#include "engine/files/sha256.h"
#include "engine/files/strict_json.h"

namespace ablate {
namespace {

using kernels::BlockShape;
using kernels::GemmAlgorithm;
using kernels::GemmEpilogue;
using kernels::GemmPrecision;
using kernels::GemmShape;
using kernels::LaunchKind;
using kernels::MeasuredBlockShape;
using kernels::MeasuredGemm;
using kernels::TunedKernel;
using Json = nlohmann::json;

// Of the file; another is not read.
constexpr int kFormat = 1;
// Its lists.
constexpr const char *kGemms = "products", *kBlocks = "blocks";
// Of the blocks: those of another are left out, and replaced.
constexpr const char* kBlocksVersion = "blocks_version";

constexpr std::pair<std::string_view, GemmPrecision> kPrecisionNames[] = {
    {"float32", GemmPrecision::kFloat32}, {"tf32", GemmPrecision::kTf32}, {"bf16", GemmPrecision::kBf16}};
constexpr std::pair<std::string_view, GemmEpilogue> kEpilogueNames[] = {
    {"none", GemmEpilogue::kNone}, {"gelu_tanh", GemmEpilogue::kGeluTanh}, {"add_to", GemmEpilogue::kAddTo}};
constexpr std::pair<std::string_view, TunedKernel> kKernelNames[] = {{"attend", TunedKernel::kAttend},
                                                                     {"fan_out", TunedKernel::kFanOut},
                                                                     {"layer_norm", TunedKernel::kLayerNorm},
                                                                     {"readout", TunedKernel::kReadout},
                                                                     {"round_rows", TunedKernel::kRoundRows}};

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
constexpr std::pair<const char*, int64_t LaunchKind::*> kKindSizes[] = {
    {"width", &LaunchKind::width}, {"n", &LaunchKind::n}, {"each", &LaunchKind::each}, {"keys", &LaunchKind::keys}};
constexpr std::pair<const char*, int32_t BlockShape::*> kBlockSizes[] = {{"warps", &BlockShape::warps},
                                                                         {"queries", &BlockShape::queries}};

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

Json ToJson(const MeasuredBlockShape& measured) {
  Json json = {{"kernel", NameOf(kKernelNames, measured.kind.kernel)}, {"microseconds", measured.microseconds}};
  for (const auto& [name, size] : kKindSizes) json[name] = measured.kind.*size;
  for (const auto& [name, size] : kBlockSizes) json[name] = measured.shape.*size;
  return json;
}

// False where a value is missing or is none that was ever written.
bool FromJson(const Json& json, MeasuredGemm& measured) {
  try {
    measured.shape.weight_is_transposed = json.at("transposed").get<bool>();
    if (!Parse(kPrecisionNames, json.at("precision"), measured.shape.precision)) return false;
    if (!Parse(kEpilogueNames, json.at("epilogue"), measured.shape.epilogue)) return false;
    measured.algorithm = json.at("algorithm").get<GemmAlgorithm>();
    measured.microseconds = json.at("microseconds").get<double>();
    for (const auto& [name, size] : kSizes) measured.shape.*size = json.at(name).get<int64_t>();
    for (const auto& [name, alignment] : kAlignments) measured.shape.*alignment = json.at(name).get<uint32_t>();
  } catch (const Json::exception&) {
    return false;
  }
  for (const auto& [name, size] : kSizes) {
    if (measured.shape.*size < 1 || measured.shape.*size > INT32_MAX) return false;
  }
  return measured.microseconds > 0;
}

bool FromJson(const Json& json, MeasuredBlockShape& measured) {
  try {
    if (!Parse(kKernelNames, json.at("kernel"), measured.kind.kernel)) return false;
    measured.microseconds = json.at("microseconds").get<double>();
    for (const auto& [name, size] : kKindSizes) measured.kind.*size = json.at(name).get<int64_t>();
    for (const auto& [name, size] : kBlockSizes) measured.shape.*size = json.at(name).get<int32_t>();
  } catch (const Json::exception&) {
    return false;
  }
  for (const auto& [name, size] : kKindSizes) {
    if (measured.kind.*size < 1) return false;
  }
  return measured.microseconds > 0;
}

// The file's list called `name`.
template <typename Measured>
absl::Status ReadList(const std::string& path, const Json& json, const char* name, std::vector<Measured>& all) {
  if (!json.contains(name) || !json[name].is_array()) {
    return absl::DataLossError(absl::StrCat(path, ": has no list of ", name));
  }
  for (const Json& one : json[name]) {
    Measured measured;
    if (!FromJson(one, measured)) {
      return absl::DataLossError(absl::StrCat(path, ": ", name, "[", all.size(), "] is none that was measured"));
    }
    all.push_back(measured);
  }
  return absl::OkStatus();
}

GemmShape KeyOf(const MeasuredGemm& measured) {
  return measured.shape;
}

LaunchKind KeyOf(const MeasuredBlockShape& measured) {
  return measured.kind;
}

// What the file has, with what was measured put to it.
template <typename Measured>
Json Merge(const std::vector<Measured>& kept, const std::vector<Measured>& measured) {
  std::map<decltype(KeyOf(Measured())), Measured> all;
  for (const Measured& one : kept) all.emplace(KeyOf(one), one);
  for (const Measured& one : measured) {
    if (all.size() < TuningFile::kMost || all.contains(KeyOf(one))) all.insert_or_assign(KeyOf(one), one);
  }
  Json list = Json::array();
  for (const auto& [key, one] : all) list.push_back(ToJson(one));
  return list;
}

Json HeadOf(const TuningPlatform& platform) {
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
std::string NameOf(const TuningPlatform& platform) {
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

TuningFile::TuningFile(const std::string& folder, TuningPlatform platform)
    : path_((std::filesystem::path(folder) / absl::StrCat("tuning-", NameOf(platform), ".json")).string()),
      platform_(std::move(platform)) {}

absl::StatusOr<Tuning> TuningFile::Read() const {
  const absl::StatusOr<MappedFile> file = MappedFile::Open(path_);
  if (absl::IsNotFound(file.status())) return Tuning();
  if (!file.ok()) return file.status();
  const absl::Span<const uint8_t> bytes = file->bytes();
  absl::StatusOr<Json> json = ParseStrictJson({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, path_);
  if (!json.ok()) return json.status();
  const Json digest = json->contains("sha256") ? (*json)["sha256"] : Json();
  json->erase("sha256");
  const absl::StatusOr<std::string> expected = DigestOf(*json);
  if (!expected.ok()) return expected.status();
  if (digest != *expected) return absl::DataLossError(absl::StrCat(path_, ": sha256 does not fit what it says"));
  Json head = *json;
  head.erase(kGemms);
  head.erase(kBlocks);
  head.erase(kBlocksVersion);
  if (head != HeadOf(platform_)) {
    return absl::FailedPreconditionError(absl::StrCat(path_, ": of another format, GPU, or version of cuBLASLt"));
  }
  Tuning tuning;
  absl::Status status = ReadList(path_, *json, kGemms, tuning.gemms);
  const bool blocks_fit = json->contains(kBlocksVersion) && (*json)[kBlocksVersion] == kernels::kBlockShapesVersion;
  if (status.ok() && blocks_fit) status = ReadList(path_, *json, kBlocks, tuning.blocks);
  if (!status.ok()) return status;
  return tuning;
}

absl::Status TuningFile::Add(const Tuning& tuning) const {
  const absl::StatusOr<Tuning> kept = Read();
  const Tuning& known = kept.ok() ? *kept : Tuning();
  Json json = HeadOf(platform_);
  json[kGemms] = Merge(known.gemms, tuning.gemms);
  json[kBlocks] = Merge(known.blocks, tuning.blocks);
  json[kBlocksVersion] = kernels::kBlockShapesVersion;
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
