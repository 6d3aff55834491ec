#include "engine/model/tokenizer/vocabulary.h"

#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "engine/files/mapped_file.h"
#include "engine/files/sha256.h"
#include "engine/files/strict_json.h"
#include "engine/model/tokenizer/tokenizer_json.h"
#include "engine/model/tokenizer/vocabulary_builder.h"

namespace ablate::tokenizer {
namespace {

using nlohmann::json;

// Opens files of one folder and keeps them for their digest.
class Folder {
 public:
  explicit Folder(const std::string& path) : path_(path) {}

  std::string Path(const std::string& name) const { return (std::filesystem::path(path_) / name).string(); }
  bool Has(const std::string& name) const {
    std::error_code error;
    return std::filesystem::exists(Path(name), error);
  }
  // Valid while the folder lives.
  absl::StatusOr<std::string_view> Text(const std::string& name) {
    absl::StatusOr<MappedFile> file = MappedFile::Open(Path(name));
    if (!file.ok()) return file.status();
    const absl::Span<const uint8_t> bytes = files_.emplace_back(*std::move(file)).bytes();
    return std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  absl::StatusOr<json> Json(const std::string& name) {
    const absl::StatusOr<std::string_view> text = Text(name);
    if (!text.ok()) return text.status();
    return ParseStrictJson(*text, Path(name));
  }
  // Of all files in the order in which they were opened.
  absl::StatusOr<std::string> Sha256() const {
    std::vector<absl::Span<const uint8_t>> pieces;
    pieces.reserve(files_.size());
    for (const MappedFile& file : files_) pieces.push_back(file.bytes());
    return Sha256Hex(pieces);
  }

 private:
  std::string path_;
  std::vector<MappedFile> files_;
};

// One merge a line, `left right`; lines that begin with `#version` are no merges.
absl::Status AddMerges(const std::string& path, std::string_view text, VocabularyBuilder& builder) {
  for (int line_number = 1; !text.empty(); ++line_number) {
    const size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.ends_with('\r') && end != std::string_view::npos) line.remove_suffix(1);
    if (line.starts_with("#version")) continue;
    const std::string where = absl::StrCat(path, ":", line_number);
    const size_t space = line.find(' ');
    const bool two_parts = space != std::string_view::npos && space > 0 && space + 1 < line.size() &&
                           line.find(' ', space + 1) == std::string_view::npos;
    if (!two_parts) {
      return absl::InvalidArgumentError(
          absl::StrCat(where, ": expected two tokens with one space between, got ", Quoted(line.substr(0, 80))));
    }
    absl::Status status = builder.AddMerge(where, line.substr(0, space), line.substr(space + 1));
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

// `added_tokens.json`: {content: id}.
absl::Status AddAddedTokens(const std::string& path, const json& tokens, VocabularyBuilder& builder) {
  for (const auto& [content, id] : tokens.items()) {
    const absl::StatusOr<int32_t> value = TokenId(absl::StrCat(path, ": ", Quoted(content)), id);
    if (!value.ok()) return value.status();
    absl::Status status = builder.AddToken(path, {.content = content, .id = *value, .normalized = true});
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

// `tokenizer_config.json`: the settings that would change ids, and its `added_tokens_decoder` {id: token}.
absl::Status AddConfig(const std::string& path, const json& config, VocabularyBuilder& builder) {
  for (const char* name : {"add_prefix_space", "add_bos_token", "add_eos_token", "split_special_tokens"}) {
    const auto found = config.find(name);
    if (found != config.end() && !found->is_null() && *found != false) {
      return absl::UnimplementedError(
          absl::StrCat(path, ": ", name, " is ", found->dump(), "; only false is supported"));
    }
  }
  const auto added = config.find("added_tokens_decoder");
  if (added == config.end()) return absl::OkStatus();
  if (!added->is_object()) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": added_tokens_decoder: expected an object, got ", added->type_name()));
  }
  for (const auto& [id, token] : added->items()) {
    const std::string where = absl::StrCat(path, ": added_tokens_decoder.", id);
    json number = json::parse(id, nullptr, /*allow_exceptions=*/false);
    if (number.is_discarded()) number = id;
    const absl::StatusOr<AddedToken> parsed = ParseAddedToken(where, number, token);
    if (!parsed.ok()) return parsed.status();
    if (absl::Status status = builder.AddToken(where, *parsed); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status ReadPair(Folder& folder, VocabularyBuilder& builder) {
  const absl::StatusOr<json> vocabulary = folder.Json("vocab.json");
  if (!vocabulary.ok()) return vocabulary.status();
  const absl::StatusOr<std::string_view> merges = folder.Text("merges.txt");
  if (!merges.ok()) return merges.status();
  absl::Status status = builder.SetVocabulary(folder.Path("vocab.json"), *vocabulary);
  using Reader = absl::Status (*)(const std::string&, const json&, VocabularyBuilder&);
  for (const auto& [name, read] : {std::pair<const char*, Reader>{"added_tokens.json", &AddAddedTokens},
                                   std::pair<const char*, Reader>{"tokenizer_config.json", &AddConfig}}) {
    if (!status.ok() || !folder.Has(name)) continue;
    const absl::StatusOr<json> root = folder.Json(name);
    status = root.ok() ? read(folder.Path(name), *root, builder) : root.status();
  }
  if (status.ok()) status = builder.Seal();
  if (status.ok()) status = AddMerges(folder.Path("merges.txt"), *merges, builder);
  return status;
}

absl::Status ReadTokenizerJson(Folder& folder, VocabularyBuilder& builder) {
  const absl::StatusOr<json> root = folder.Json("tokenizer.json");
  if (!root.ok()) return root.status();
  return AddTokenizerJson(folder.Path("tokenizer.json"), *root, builder);
}

}  // namespace

absl::StatusOr<Tables> ReadTables(const std::string& model_dir) {
  Folder folder(model_dir);
  const bool vocab = folder.Has("vocab.json"), merges = folder.Has("merges.txt"), whole = folder.Has("tokenizer.json");
  if (!whole && vocab != merges) {
    return absl::NotFoundError(absl::StrCat(folder.Path(vocab ? "merges.txt" : "vocab.json"), ": no such file, though ",
                                            vocab ? "vocab.json" : "merges.txt", " is there"));
  }
  if (!whole && !vocab) {
    return absl::NotFoundError(
        absl::StrCat(model_dir, ": no tokenizer; expected vocab.json and merges.txt, or tokenizer.json"));
  }
  VocabularyBuilder builder;
  absl::Status status = vocab && merges ? ReadPair(folder, builder) : ReadTokenizerJson(folder, builder);
  if (!status.ok()) return status;
  absl::StatusOr<std::string> sha256 = folder.Sha256();
  if (!sha256.ok()) return sha256.status();
  return Tables{builder.TakeBytes(), builder.TakeBpe(), builder.TakeAdded(), *std::move(sha256)};
}

}  // namespace ablate::tokenizer
