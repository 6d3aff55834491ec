#include "server/means/mean_id.h"

#include <algorithm>
#include <bit>

#include "absl/strings/str_cat.h"
#include "engine/files/sha256.h"

namespace ablate {
namespace {

constexpr size_t kIdDigits = 32;

static_assert(std::endian::native == std::endian::little, "hashes are over little-endian integers");

absl::StatusOr<std::string> Sha256(const std::string& text) {
  const absl::Span<const uint8_t> bytes(reinterpret_cast<const uint8_t*>(text.data()), text.size());
  return Sha256Hex({bytes});
}

void AppendCount(std::string& to, size_t count) {
  const auto value = static_cast<uint64_t>(count);
  to.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void AppendIds(std::string& to, const std::vector<int32_t>& ids) {
  AppendCount(to, ids.size());
  to.append(reinterpret_cast<const char*>(ids.data()), ids.size() * sizeof(int32_t));
}

}  // namespace

absl::StatusOr<std::string> HashMeanData(absl::Span<const MeanPrompt> prompts) {
  std::string bytes = "ablate means data 1\n";
  AppendCount(bytes, prompts.size());
  for (const MeanPrompt& prompt : prompts) {
    AppendCount(bytes, prompt.template_name.size());
    bytes.append(prompt.template_name);
    AppendIds(bytes, prompt.clean_ids);
    AppendIds(bytes, prompt.corrupted_ids);
  }
  return Sha256(bytes);
}

absl::StatusOr<std::string> MakeMeanLibraryId(const ablation::v1::MeanLibrary& info) {
  const ablation::v1::MeanOptions& options = info.options();
  // float32 and float64 are one, as they were before there were others.
  const bool is_rough =
      info.precision() == ablation::v1::PRECISION_BF16 || info.precision() == ablation::v1::PRECISION_TF32;
  auto hash = Sha256(absl::StrCat(
      "ablate means 1\nweights ", info.weights_sha256(), "\ndata ", info.data_sha256(), "\nmode ",
      static_cast<int>(options.mode()), "\nsource ", static_cast<int>(options.source()), "\ngroup_by_template ",
      options.group_by_template() ? 1 : 0, "\nprepend_bos ", options.prepend_bos() ? 1 : 0, "\ninclude_first_position ",
      options.include_first_position() ? 1 : 0, "\nmin_count ", options.min_count(), "\n",
      is_rough ? absl::StrCat("precision ", static_cast<int>(info.precision()), "\n") : ""));
  if (!hash.ok()) return hash.status();
  return hash->substr(0, kIdDigits);
}

bool IsMeanLibraryId(absl::string_view text) {
  return text.size() == kIdDigits &&
         std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

}  // namespace ablate
