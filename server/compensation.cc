#include "server/compensation.h"

#include <algorithm>

namespace ablate {
namespace {

namespace pb = ::ablation::v1;

// Row `row` of `values`, which has `width` entries a row.
void AddWide(const std::vector<double>& values, size_t row, size_t width, google::protobuf::RepeatedField<double>& to) {
  for (size_t i = row * width; i < (row + 1) * width; ++i) to.Add(values[i]);
}

}  // namespace

int64_t CompensationBytes(ModelShape shape) {
  constexpr int64_t kBytesPerNumber = 8, kOthers = 64;
  return kOthers + kBytesPerNumber * (int64_t{shape.n_layers} * shape.n_heads + shape.n_layers + 1);
}

void AppendCompensation(const ReadoutBlock& block, const PreparedRequest& prepared, size_t unit, size_t max_bytes,
                        std::vector<pb::CompensationBlock>& blocks) {
  if (block.compensation_layer_norm.empty()) return;
  const auto layers = static_cast<size_t>(prepared.shape.n_layers), heads = static_cast<size_t>(prepared.shape.n_heads);
  const auto rows_per_block = std::max<int>(1, static_cast<int>(max_bytes / CompensationBytes(prepared.shape)));
  pb::CompensationBlock* to = nullptr;
  for (size_t i = 0; i < block.variant.size(); ++i) {
    const UnitVariant is = prepared.DescribeVariant(unit, block.variant[i]);
    if (is.variant < 0) continue;
    if (to == nullptr || to->variant_size() == rows_per_block) {
      to = &blocks.emplace_back();
      to->set_prompt_index(prepared.units[unit].prompt);
    }
    to->add_replacement(is.replacement);
    to->add_variant(is.variant);
    to->add_edit_position(is.edit_position);
    to->add_position(block.position[i]);
    AddWide(block.compensation_heads, i, layers * heads, *to->mutable_heads());
    AddWide(block.compensation_mlps, i, layers, *to->mutable_mlps());
    to->add_layer_norm(block.compensation_layer_norm[i]);
  }
}

}  // namespace ablate
