#include "engine/model/checkpoint.h"

#include <cstring>
#include <iterator>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "engine/files/sha256.h"
#include "engine/files/strict_json.h"
#include "engine/model/safetensors.h"
#include "engine/model/weight_shapes.h"

namespace ablate {
namespace {

using nlohmann::json;

constexpr char kSingleFile[] = "model.safetensors";
constexpr char kIndexFile[] = "model.safetensors.index.json";
constexpr size_t kMaxIndexBytes = 16U << 20U;

// Tensor name, as in the file, to the shard's file name.
using WeightMap = std::map<std::string, std::string>;

absl::Status Invalid(const std::string& path, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(path, ": ", what));
}

absl::Status TensorError(const TensorView& tensor, absl::string_view what) {
  return Invalid(tensor.file, absl::StrCat("tensor ", Quote(std::string_view(tensor.name)), ": ", what));
}

absl::string_view View(std::string_view text) {
  return {text.data(), text.size()};
}

std::string Canonical(const std::string& name) {
  return std::string(absl::StripPrefix(name, "transformer."));
}

// A file in the folder itself: an index must not reach other places.
bool IsPlainFileName(absl::string_view name) {
  return absl::EndsWith(name, ".safetensors") && !absl::StartsWith(name, ".") &&
         name.find_first_of(absl::string_view("/\\\0", 3)) == absl::string_view::npos;
}

absl::StatusOr<WeightMap> ReadIndex(const MappedFile& file) {
  const std::string& path = file.path();
  if (file.bytes().size() > kMaxIndexBytes) {
    return Invalid(path, absl::StrCat(file.bytes().size(), " bytes, expected at most ", kMaxIndexBytes));
  }
  const std::string_view text(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size());
  const absl::StatusOr<json> root = ParseStrictJson(text, path);
  if (!root.ok()) return root.status();
  const auto weight_map = root->find("weight_map");
  if (weight_map == root->end())
    return Invalid(path, "`weight_map` is missing, expected an object of tensor to file name");
  if (!weight_map->is_object() || weight_map->empty()) {
    return Invalid(path,
                   absl::StrCat("`weight_map` is ", Quote(*weight_map), ", expected an object of tensor to file name"));
  }
  WeightMap map;
  for (const auto& [tensor, shard] : weight_map->items()) {
    if (!shard.is_string() || !IsPlainFileName(shard.get_ref<const std::string&>())) {
      return Invalid(path, absl::StrCat("tensor ", Quote(std::string_view(tensor)), ": file is ", Quote(shard),
                                        ", expected the name of a .safetensors file in the same folder"));
    }
    map[tensor] = shard.get<std::string>();
  }
  return map;
}

// Index and shard must tell the same: each tensor of the shard is listed with it, and each one listed is there.
absl::Status CheckShard(absl::Span<const TensorView> tensors, const std::string& shard, const std::string& shard_path,
                        const WeightMap& map, const std::string& index_path) {
  std::set<std::string_view> found;
  for (const TensorView& tensor : tensors) {
    const auto listed = map.find(tensor.name);
    if (listed == map.end()) return TensorError(tensor, absl::StrCat("not listed in ", index_path, ", expected there"));
    if (listed->second != shard) {
      return TensorError(tensor, absl::StrCat("came in this file, expected in ",
                                              Quote(std::string_view(listed->second)), ", as ", index_path, " says"));
    }
    found.insert(tensor.name);
  }
  for (const auto& [name, file] : map) {
    if (file == shard && found.count(name) == 0) {
      return Invalid(shard_path, absl::StrCat("tensor ", Quote(std::string_view(name)),
                                              ": missing, expected in this file, as ", index_path, " says"));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<TensorView>> ReadShards(const std::string& model_dir, const MappedFile& index,
                                                   std::vector<MappedFile>& files) {
  const absl::StatusOr<WeightMap> map = ReadIndex(index);
  if (!map.ok()) return map.status();
  std::set<std::string> shards;
  for (const auto& [tensor, shard] : *map) shards.insert(shard);
  // All are opened before any is read, so that a shard that is missing is what the error tells.
  for (const std::string& shard : shards) {
    absl::StatusOr<MappedFile> file = MappedFile::Open(absl::StrCat(model_dir, "/", shard));
    if (!file.ok()) {
      return absl::Status(file.status().code(),
                          absl::StrCat(file.status().message(), "; expected a shard, as ", index.path(), " says"));
    }
    files.push_back(*std::move(file));
  }
  std::vector<TensorView> tensors;
  auto file = files.begin();
  for (const std::string& shard : shards) {
    absl::StatusOr<std::vector<TensorView>> parsed = ParseSafetensors(file->bytes(), file->path());
    if (!parsed.ok()) return parsed.status();
    if (absl::Status status = CheckShard(*parsed, shard, file->path(), *map, index.path()); !status.ok()) return status;
    std::move(parsed->begin(), parsed->end(), std::back_inserter(tensors));
    ++file;
  }
  return tensors;
}

// Maps the weight files into `files` and lists what is in them.
absl::StatusOr<std::vector<TensorView>> ReadFiles(const std::string& model_dir, std::vector<MappedFile>& files) {
  absl::StatusOr<MappedFile> single = MappedFile::Open(absl::StrCat(model_dir, "/", kSingleFile));
  if (single.ok()) {
    files.push_back(*std::move(single));
    return ParseSafetensors(files.back().bytes(), files.back().path());
  }
  if (!absl::IsNotFound(single.status())) return single.status();
  const absl::StatusOr<MappedFile> index = MappedFile::Open(absl::StrCat(model_dir, "/", kIndexFile));
  if (absl::IsNotFound(index.status())) {
    return absl::NotFoundError(absl::StrCat(model_dir, ": no weights, expected ", kSingleFile, " or ", kIndexFile));
  }
  if (!index.ok()) return index.status();
  return ReadShards(model_dir, *index, files);
}

absl::Status CheckTensor(const TensorView& tensor, const std::vector<int64_t>& shape) {
  if (tensor.dtype != Dtype::kF32 && tensor.dtype != Dtype::kF16 && tensor.dtype != Dtype::kBF16) {
    return TensorError(tensor, absl::StrCat("stored as ", View(Name(tensor.dtype)), ", expected F32, F16 or BF16"));
  }
  if (tensor.shape != shape) {
    return TensorError(tensor, absl::StrCat("has shape ", ShapeString(tensor.shape), ", expected ", ShapeString(shape),
                                            " from config.json"));
  }
  return absl::OkStatus();
}

absl::Status CheckTied(const TensorView& lm_head, const TensorView& wte) {
  const bool tied = lm_head.dtype == wte.dtype && lm_head.shape == wte.shape &&
                    lm_head.bytes.size() == wte.bytes.size() &&
                    std::memcmp(lm_head.bytes.data(), wte.bytes.data(), wte.bytes.size()) == 0;
  if (tied) return absl::OkStatus();
  return absl::UnimplementedError(absl::StrCat(
      lm_head.file, ": tensor ", Quote(std::string_view(lm_head.name)), ": ", View(Name(lm_head.dtype)), " ",
      ShapeString(lm_head.shape), " differs from ", Quote(std::string_view(wte.name)), ", ", View(Name(wte.dtype)), " ",
      ShapeString(wte.shape), "; expected equal values: untied output heads are not supported"));
}

}  // namespace

absl::StatusOr<std::unique_ptr<const Checkpoint>> Checkpoint::Open(const std::string& model_dir,
                                                                   const GptConfig& config) {
  std::unique_ptr<Checkpoint> checkpoint(new Checkpoint());
  absl::StatusOr<std::vector<TensorView>> read = ReadFiles(model_dir, checkpoint->files_);
  if (!read.ok()) return read.status();
  const std::string where = checkpoint->files_.size() == 1 ? checkpoint->files_[0].path() : model_dir;
  const auto shapes = WeightShapes(config);
  const TensorView* lm_head = nullptr;
  absl::flat_hash_map<std::string, TensorView>& tensors = checkpoint->tensors_;

  for (TensorView& tensor : *read) {
    const std::string name = Canonical(tensor.name);
    if (name == "lm_head.weight") {
      if (lm_head != nullptr)
        return TensorError(tensor, absl::StrCat("is also there as ", Quote(std::string_view(lm_head->name))));
      lm_head = &tensor;
      continue;
    }
    if (IsMaskBuffer(name, config)) continue;
    const auto expected = shapes.find(name);
    if (expected == shapes.end()) {
      return TensorError(tensor, absl::StrCat("unknown, expected the tensors of a GPT-2 with ", config.n_layers,
                                              " layers, as config.json says"));
    }
    if (absl::Status status = CheckTensor(tensor, expected->second); !status.ok()) return status;
    const auto [other, inserted] = tensors.try_emplace(name, tensor);
    if (!inserted) {
      return TensorError(
          tensor, absl::StrCat("is also there as ", Quote(std::string_view(other->second.name)), ", expected once"));
    }
  }
  if (lm_head != nullptr) {
    if (const auto wte = tensors.find("wte.weight"); wte != tensors.end()) {
      if (absl::Status status = CheckTied(*lm_head, wte->second); !status.ok()) return status;
    } else {
      if (absl::Status status = CheckTensor(*lm_head, shapes.at("wte.weight")); !status.ok()) return status;
      tensors.emplace("wte.weight", *lm_head);
    }
  }
  for (const auto& [name, shape] : shapes) {
    if (tensors.contains(name)) continue;
    return Invalid(where, absl::StrCat("tensor `", name, "`: missing, expected ", ShapeString(shape), " (",
                                       tensors.size(), " of ", shapes.size(), " tensors came)"));
  }

  std::vector<absl::Span<const uint8_t>> pieces;
  for (const MappedFile& file : checkpoint->files_) pieces.push_back(file.bytes());
  absl::StatusOr<std::string> sha256 = Sha256Hex(pieces);
  if (!sha256.ok()) return sha256.status();
  checkpoint->sha256_ = *std::move(sha256);
  return checkpoint;
}

const TensorView& Checkpoint::tensor(std::string_view name) const {
  return tensors_.at(View(name));
}

}  // namespace ablate
