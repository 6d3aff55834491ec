#include "client/cpp/cli/legend.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/cpp/cli/number.h"
#include "client/cpp/row_space.h"

namespace ablate::cli {
namespace {

using ablation::v1::Replacement;

// The field that is set is the kind's name.
std::string Kind(const Replacement& replacement) {
  const auto* field = replacement.GetReflection()->GetOneofFieldDescriptor(
      replacement, Replacement::descriptor()->FindOneofByName("kind"));
  return field == nullptr ? "unknown" : field->name();
}

std::string Number(float value) {
  return RoundTrip(value, ablation::v1::PRECISION_FLOAT32);
}

std::string Parameter(const Replacement& replacement) {
  switch (replacement.kind_case()) {
    case Replacement::kMean:
      return replacement.mean().library();
    case Replacement::kConstant:
      return replacement.constant().has_scalar() ? Number(replacement.constant().scalar()) : "vector";
    case Replacement::kScale:
      return Number(replacement.scale().factor());
    case Replacement::kResample:
      return replacement.resample().direction() == ablation::v1::DIRECTION_DENOISING ? "denoising" : "noising";
    default:
      return "";
  }
}

}  // namespace

Legend::Legend(std::shared_ptr<const client::ScanManifest> manifest) : manifest_(std::move(manifest)) {
  const auto& replacements = manifest_->head.replacements();
  std::map<std::string, int> kinds, seen;
  for (const auto& replacement : replacements) ++kinds[Kind(replacement)];
  for (const auto& replacement : replacements) {
    std::string label = Kind(replacement);
    if (kinds[label] > 1) absl::StrAppend(&label, "(", Parameter(replacement), ")");
    // Two vectors, say.
    const int number = ++seen[label];
    if (number > 1) absl::StrAppend(&label, "#", number);
    replacements_.push_back(std::move(label));
  }
}

std::string Legend::VariantLabel(int32_t variant) const {
  if (variant == client::kBaseline) return "baseline";
  if (variant == client::kCorrupted) return "corrupted";
  return manifest_->variants[variant].label();
}

std::string Legend::VariantTitle(int32_t variant) const {
  if (variant < 0) return VariantLabel(variant);
  const auto& set = manifest_->variants[variant];
  if (!set.name().empty()) return set.name();
  return manifest_->head.sweep().has_all_but() && !set.has_group() ? "nothing" : set.label();
}

const std::string& Legend::Replacement(int32_t index) const {
  return index < 0 || index >= n_replacements() ? none_ : replacements_[index];
}

std::string Legend::ReplacementInFull(int32_t index) const {
  const auto& replacement = manifest_->head.replacements(index);
  const std::string parameter = Parameter(replacement);
  return parameter.empty() ? Kind(replacement) : absl::StrCat(Kind(replacement), "(", parameter, ")");
}

}  // namespace ablate::cli
