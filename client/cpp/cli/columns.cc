#include "client/cpp/cli/columns.h"

#include <vector>

namespace ablate::cli {
namespace {

using ablation::v1::RowBlock;
using google::protobuf::FieldDescriptor;

Cell Field(const Column& column, const Legend&, const Row& row) {
  const RowBlock& block = row.columns();
  const auto* reflection = block.GetReflection();
  if (reflection->FieldSize(block, column.field) == 0) return {};
  switch (column.field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
      return reflection->GetRepeatedBool(block, column.field, row.index);
    case FieldDescriptor::CPPTYPE_INT32:
      return int64_t{reflection->GetRepeatedInt32(block, column.field, row.index)};
    default:
      return reflection->GetRepeatedDouble(block, column.field, row.index);
  }
}

Cell Replacement(const Column&, const Legend& legend, const Row& row) {
  return NameRun(legend, row.key()).replacement;
}

Cell Label(const Column&, const Legend& legend, const Row& row) {
  return legend.VariantLabel(row.variant());
}

Cell VariantName(const Column&, const Legend& legend, const Row& row) {
  return NameRun(legend, row.key()).name;
}

Cell EditPosition(const Column&, const Legend&, const Row& row) {
  const int32_t position = row.key().edit_position;
  return position < 0 ? Cell() : Cell(int64_t{position});
}

// The one site of a single-site variant; null for unedited runs and for larger sets.
const ablation::v1::Site* OnlySite(const Legend& legend, const Row& row) {
  if (row.is_unedited()) return nullptr;
  const auto& variant = legend.manifest().variants[row.variant()];
  return variant.sites_size() == 1 ? &variant.sites(0) : nullptr;
}

Cell Layer(const Column&, const Legend& legend, const Row& row) {
  const auto* site = OnlySite(legend, row);
  return site == nullptr ? Cell() : Cell(int64_t{site->layer()});
}

Cell Head(const Column&, const Legend& legend, const Row& row) {
  const auto* site = OnlySite(legend, row);
  return site == nullptr ? Cell() : Cell(int64_t{site->head()});
}

Cell Top1Token(const Column&, const Legend&, const Row& row) {
  if (row.columns().top1_id_size() == 0) return {};
  const std::string* text = row.block->TokenText(row.columns().top1_id(row.index));
  return text == nullptr ? Cell() : Cell(*text);
}

const std::vector<Column>& AllColumns() {
  static const auto* const kColumns = [] {
    auto* columns = new std::vector<Column>{
        {"prompt_index", Field, nullptr},
        {"replacement", Replacement, nullptr},
        {"variant", Label, nullptr},
        {"variant_name", VariantName, nullptr},
        {"layer", Layer, nullptr},
        {"head", Head, nullptr},
        {"edit_position", EditPosition, nullptr},
        {"position", Field, nullptr},
        {"target_logit", Field, nullptr},
        {"contrast_logit", Field, nullptr},
        {"target_logprob", Field, nullptr},
        {"contrast_logprob", Field, nullptr},
        {"target_prob", Field, nullptr},
        {"prob_diff", Field, nullptr},
        {"logit_diff", Field, nullptr},
        {"delta_target_logit", Field, nullptr},
        {"delta_contrast_logit", Field, nullptr},
        {"delta_target_logprob", Field, nullptr},
        {"delta_contrast_logprob", Field, nullptr},
        {"delta_target_prob", Field, nullptr},
        {"delta_prob_diff", Field, nullptr},
        {"delta_logit_diff", Field, nullptr},
        {"target_rank", Field, nullptr},
        {"target_is_top1", Field, nullptr},
        {"top1_id", Field, nullptr},
        {"top1_token", Top1Token, nullptr},
        {"top1_preserved", Field, nullptr},
        {"kl_divergence", Field, nullptr},
        {"kl_to_clean", Field, nullptr},
        {"entropy", Field, nullptr},
        {"normalized", Field, nullptr},
        {"interaction", Field, nullptr},
        {"direct_contribution", Field, nullptr},
        {"direct_effect", Field, nullptr},
        {"direct_effect_live", Field, nullptr},
        {"total_effect", Field, nullptr},
        {"indirect_effect", Field, nullptr},
        {"self_repair", Field, nullptr},
    };
    for (Column& column : *columns) column.field = RowBlock::descriptor()->FindFieldByName(std::string(column.name));
    return columns;
  }();
  return *kColumns;
}

}  // namespace

absl::Span<const Column> Columns() {
  return AllColumns();
}

RunNames NameRun(const Legend& legend, const client::RunKey& key) {
  RunNames names;
  names.label = legend.VariantLabel(key.variant);
  if (key.is_unedited()) return names;
  names.replacement = legend.Replacement(key.replacement);
  const std::string& name = legend.manifest().variants[key.variant].name();
  if (!name.empty()) names.name = name;
  if (key.edit_position >= 0) names.edit_position = int64_t{key.edit_position};
  return names;
}

}  // namespace ablate::cli
