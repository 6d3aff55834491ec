#include "server/means/mean_file.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/files/sha256.h"
#include "engine/model/safetensors.h"
#include "google/protobuf/util/json_util.h"

namespace ablate {
namespace {

namespace pb = ::ablation::v1;

constexpr char kInfoKey[] = "ablate.mean_library";
constexpr char kHashKey[] = "ablate.arrays_sha256";

absl::Status FileError(std::string_view path, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(absl::string_view(path.data(), path.size()), ": ", what));
}

template <typename T>
absl::Span<const uint8_t> BytesOf(const std::vector<T>& values) {
  return {reinterpret_cast<const uint8_t*>(values.data()), values.size() * sizeof(T)};
}

// A file that holds the header only, parsed.
struct Contents {
  pb::MeanLibrary info;
  std::string arrays_sha256;
  // In the order of their bytes.
  std::vector<TensorView> tensors;
};

absl::StatusOr<std::string> Metadata(const std::map<std::string, std::string>& metadata, const char* key,
                                     std::string_view path) {
  const auto found = metadata.find(key);
  if (found != metadata.end()) return found->second;
  return FileError(path, absl::StrCat("`__metadata__` has no `", key, "`: is this a mean library?"));
}

absl::StatusOr<Contents> Parse(absl::Span<const uint8_t> bytes, std::string_view path) {
  std::map<std::string, std::string> metadata;
  auto tensors = ParseSafetensors(bytes, path, &metadata);
  if (!tensors.ok()) return tensors.status();
  const auto json = Metadata(metadata, kInfoKey, path);
  if (!json.ok()) return json.status();
  auto hash = Metadata(metadata, kHashKey, path);
  if (!hash.ok()) return hash.status();
  Contents contents{.info = {}, .arrays_sha256 = *std::move(hash), .tensors = *std::move(tensors)};
  const auto parsed = google::protobuf::util::JsonStringToMessage(*json, &contents.info);
  if (!parsed.ok()) {
    const auto message = parsed.message();
    return FileError(path, absl::StrCat("`", kInfoKey, "` is no mean library in protobuf's JSON: ",
                                        absl::string_view(message.data(), message.size())));
  }
  contents.info.set_size_bytes(static_cast<int64_t>(bytes.size()));
  const absl::Status status = CheckMeanInfo(contents.info);
  if (!status.ok()) return FileError(path, absl::StrCat("`", kInfoKey, "`: ", status.message()));
  return contents;
}

absl::StatusOr<TensorView> Find(const std::vector<TensorView>& tensors, const char* name, Dtype dtype, size_t dims,
                                std::string_view path) {
  const auto found = std::find_if(tensors.begin(), tensors.end(), [&](const auto& t) { return t.name == name; });
  if (found == tensors.end()) return FileError(path, absl::StrCat("there is no tensor `", name, "`"));
  if (found->dtype != dtype || found->shape.size() != dims) {
    return FileError(path, absl::StrCat("tensor `", name, "` is ", ShapeString(found->shape), " of ",
                                        std::string(Name(found->dtype)), ", expected ", dims, " dimensions of ",
                                        std::string(Name(dtype))));
  }
  return *found;
}

template <typename T>
std::vector<T> Copy(const TensorView& tensor) {
  std::vector<T> values(static_cast<size_t>(tensor.numel()));
  if (!values.empty()) std::memcpy(values.data(), tensor.bytes.data(), tensor.bytes.size());
  return values;
}

}  // namespace

absl::StatusOr<MeanFile> MeanFile::Make(std::shared_ptr<const MeanLibrary> library) {
  absl::Status status = CheckMeanLibrary(*library);
  if (!status.ok()) return status;
  auto hash = Sha256Hex({BytesOf(library->mean), BytesOf(library->count)});
  if (!hash.ok()) return hash.status();
  // The size is the file's own: inside, it would be a riddle.
  pb::MeanLibrary info = library->info;
  info.clear_size_bytes();
  std::string json;
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  if (!google::protobuf::util::MessageToJsonString(info, &json, options).ok()) {
    return absl::InternalError("protobuf cannot write a mean library as JSON");
  }
  const size_t mean_bytes = library->mean.size() * sizeof(double);
  const size_t all_bytes = mean_bytes + library->count.size() * sizeof(int64_t);
  const int32_t n_groups = info.templates_size();
  const int32_t n_positions = info.n_positions();
  const nlohmann::json root = {
      {"__metadata__", {{kInfoKey, json}, {kHashKey, *hash}}},
      {"mean",
       {{"dtype", "F64"},
        {"shape", {n_groups, library->n_layers, library->n_heads, n_positions, library->d_head}},
        {"data_offsets", {size_t{0}, mean_bytes}}}},
      {"count", {{"dtype", "I64"}, {"shape", {n_groups, n_positions}}, {"data_offsets", {mean_bytes, all_bytes}}}}};
  std::string header = root.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  // Readers that map the file find the arrays aligned.
  header.append((8 - header.size() % 8) % 8, ' ');
  const auto length = static_cast<uint64_t>(header.size());
  if (length > kMaxSafetensorsHeaderBytes) {
    return absl::InvalidArgumentError(absl::StrCat("the library's description makes a header of ", length,
                                                   " bytes, expected at most ", kMaxSafetensorsHeaderBytes));
  }
  header.insert(0, reinterpret_cast<const char*>(&length), sizeof length);
  return MeanFile(std::move(library), std::move(header));
}

int64_t MeanFile::size_bytes() const {
  return static_cast<int64_t>(header_.size() + 8 * (library_->mean.size() + library_->count.size()));
}

std::string MeanFile::Read(int64_t offset, int64_t size) const {
  const absl::Span<const uint8_t> parts[] = {{reinterpret_cast<const uint8_t*>(header_.data()), header_.size()},
                                             BytesOf(library_->mean),
                                             BytesOf(library_->count)};
  std::string bytes;
  int64_t begin = 0;
  for (const absl::Span<const uint8_t> part : parts) {
    const int64_t end = begin + static_cast<int64_t>(part.size());
    const int64_t from = std::max(begin, offset);
    const int64_t to = std::min(end, offset + size);
    if (from < to) bytes.append(reinterpret_cast<const char*>(part.data()) + (from - begin), to - from);
    begin = end;
  }
  return bytes;
}

absl::StatusOr<MeanLibrary> ParseMeanFile(absl::Span<const uint8_t> bytes, std::string_view path) {
  auto contents = Parse(bytes, path);
  if (!contents.ok()) return contents.status();
  const auto mean = Find(contents->tensors, "mean", Dtype::kF64, 5, path);
  if (!mean.ok()) return mean.status();
  const auto count = Find(contents->tensors, "count", Dtype::kI64, 2, path);
  if (!count.ok()) return count.status();
  const int64_t n_groups = contents->info.templates_size();
  const int64_t n_positions = contents->info.n_positions();
  const std::vector<int64_t> count_shape = {n_groups, n_positions};
  const bool is_empty = std::any_of(mean->shape.begin(), mean->shape.end(), [](int64_t size) { return size == 0; });
  const bool fits = contents->tensors.size() == 2 && !is_empty && mean->shape[0] == n_groups &&
                    mean->shape[3] == n_positions && count->shape == count_shape &&
                    MeanBytes(n_groups, n_positions, mean->shape[1], mean->shape[2], mean->shape[4]) <= kMaxMeanBytes;
  if (!fits) {
    return FileError(path, absl::StrCat("has ", contents->tensors.size(), " tensors, `mean` ", ShapeString(mean->shape),
                                        " and `count` ", ShapeString(count->shape), ", expected these two, [", n_groups,
                                        ", layers, heads, ", n_positions, ", d_head] of at most ", kMaxMeanBytes,
                                        " bytes and ", ShapeString(count_shape)));
  }
  const auto hash = Sha256Hex({mean->bytes, count->bytes});
  if (!hash.ok()) return hash.status();
  if (*hash != contents->arrays_sha256) {
    return FileError(path, absl::StrCat("the arrays' SHA-256 is ", *hash, ", expected `", contents->arrays_sha256,
                                        "` as `", kHashKey, "` says: the file is damaged"));
  }
  MeanLibrary library{.info = std::move(contents->info),
                      .n_layers = static_cast<int32_t>(mean->shape[1]),
                      .n_heads = static_cast<int32_t>(mean->shape[2]),
                      .d_head = static_cast<int32_t>(mean->shape[4]),
                      .mean = Copy<double>(*mean),
                      .count = Copy<int64_t>(*count)};
  const absl::Status status = CheckMeanLibrary(library);
  if (!status.ok()) return FileError(path, status.message());
  return library;
}

absl::StatusOr<pb::MeanLibrary> ParseMeanInfo(absl::Span<const uint8_t> bytes, std::string_view path) {
  auto contents = Parse(bytes, path);
  if (!contents.ok()) return contents.status();
  return std::move(contents->info);
}

}  // namespace ablate
