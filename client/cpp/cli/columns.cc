#include "client/cpp/cli/columns.h"

namespace ablate::cli {
namespace {

using ablation::v1::RowBlock;
using client::ScanManifest;
using google::protobuf::FieldDescriptor;

// The RowBlock field of the column's name.
Cell Field(const Column& column, const ScanManifest&, const Row& row) {
  const RowBlock& block = row.columns();
  const FieldDescriptor* field = RowBlock::descriptor()->FindFieldByName(std::string(column.name));
  const auto* reflection = block.GetReflection();
  if (reflection->FieldSize(block, field) == 0) return {};
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
      return reflection->GetRepeatedBool(block, field, row.index);
    case FieldDescriptor::CPPTYPE_INT32:
      return int64_t{reflection->GetRepeatedInt32(block, field, row.index)};
    default:
      return reflection->GetRepeatedDouble(block, field, row.index);
  }
}

Cell Label(const Column&, const ScanManifest& manifest, const Row& row) {
  return VariantLabel(manifest, row.variant());
}

// The one site of a single-site variant; null for the baseline and for larger sets.
const ablation::v1::Site* OnlySite(const ScanManifest& manifest, const Row& row) {
  if (row.variant() < 0) return nullptr;
  const auto& variant = manifest.variants[row.variant()];
  return variant.sites_size() == 1 ? &variant.sites(0) : nullptr;
}

Cell Layer(const Column&, const ScanManifest& manifest, const Row& row) {
  const auto* site = OnlySite(manifest, row);
  return site == nullptr ? Cell() : Cell(int64_t{site->layer()});
}

Cell Head(const Column&, const ScanManifest& manifest, const Row& row) {
  const auto* site = OnlySite(manifest, row);
  return site == nullptr ? Cell() : Cell(int64_t{site->head()});
}

Cell Top1Token(const Column&, const ScanManifest&, const Row& row) {
  if (row.columns().top1_id_size() == 0) return {};
  const std::string* text = row.block->TokenText(row.columns().top1_id(row.index));
  return text == nullptr ? Cell() : Cell(*text);
}

constexpr Column kColumns[] = {
    {"prompt_index", Field},
    {"variant", Label},
    {"layer", Layer},
    {"head", Head},
    {"position", Field},
    {"target_logit", Field},
    {"contrast_logit", Field},
    {"target_logprob", Field},
    {"contrast_logprob", Field},
    {"target_prob", Field},
    {"prob_diff", Field},
    {"logit_diff", Field},
    {"delta_target_logit", Field},
    {"delta_contrast_logit", Field},
    {"delta_target_logprob", Field},
    {"delta_contrast_logprob", Field},
    {"delta_target_prob", Field},
    {"delta_prob_diff", Field},
    {"delta_logit_diff", Field},
    {"target_rank", Field},
    {"target_is_top1", Field},
    {"top1_id", Field},
    {"top1_token", Top1Token},
    {"top1_preserved", Field},
    {"kl_divergence", Field},
    {"entropy", Field},
};

}  // namespace

absl::Span<const Column> Columns() {
  return kColumns;
}

std::string VariantLabel(const ScanManifest& manifest, int32_t variant) {
  return variant < 0 ? "baseline" : manifest.variants[variant].label();
}

}  // namespace ablate::cli
