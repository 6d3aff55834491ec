#include "client/cpp/cli/extra_columns.h"

#include <cmath>

namespace ablate::cli {
namespace {

using ablation::v1::SummaryBlock;
using google::protobuf::FieldDescriptor;

template <typename T>
NamedCells KeyCells(const Legend& legend, const Entry<T>& entry) {
  RunNames names = NameRun(legend, entry.key());
  return {{"prompt_index", int64_t{entry.block->prompt_index()}},
          {"replacement", std::move(names.replacement)},
          {"variant", std::move(names.label)},
          {"variant_name", std::move(names.name)},
          {"edit_position", std::move(names.edit_position)}};
}

Cell SummaryCell(const SummaryBlock& block, const FieldDescriptor* field, int i) {
  const auto* reflection = block.GetReflection();
  if (i >= reflection->FieldSize(block, field)) return {};
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
      return reflection->GetRepeatedBool(block, field, i);
    case FieldDescriptor::CPPTYPE_INT32:
      return int64_t{reflection->GetRepeatedInt32(block, field, i)};
    default:
      return reflection->GetRepeatedDouble(block, field, i);
  }
}

}  // namespace

NamedCells LikelihoodCells(const Legend& legend, const LikelihoodEntry& entry) {
  NamedCells cells = KeyCells(legend, entry);
  const double mean_nll = entry.block->mean_nll(entry.index);
  cells.insert(cells.end(), {{"mean_nll", mean_nll},
                             {"perplexity", std::exp(mean_nll)},
                             {"delta_mean_nll", entry.block->delta_mean_nll(entry.index)}});
  return cells;
}

absl::Span<const double> TokenLogprobs(const LikelihoodEntry& entry) {
  const auto& all = entry.block->token_logprob();
  const int width = all.size() / entry.block->variant_size();
  return absl::MakeConstSpan(all.data(), all.size()).subspan(size_t(entry.index) * width, width);
}

NamedCells CompensationKey(const Legend& legend, const CompensationEntry& entry) {
  NamedCells cells = KeyCells(legend, entry);
  cells.emplace_back("position", int64_t{entry.block->position(entry.index)});
  return cells;
}

absl::Span<const double> CompensationHeads(const CompensationEntry& entry, int64_t n_heads_of_model) {
  return absl::MakeConstSpan(entry.block->heads().data(), entry.block->heads_size())
      .subspan(entry.index * n_heads_of_model, n_heads_of_model);
}

absl::Span<const double> CompensationMlps(const CompensationEntry& entry, int64_t n_layers) {
  return absl::MakeConstSpan(entry.block->mlps().data(), entry.block->mlps_size())
      .subspan(entry.index * n_layers, n_layers);
}

NamedCells SummaryCells(const Legend& legend, const SummaryBlock& block, int i) {
  NamedCells cells;
  const bool is_there = i < block.variant_size();
  RunNames names;
  if (is_there) {
    // The position counts from the end where prompts differ in length, so -1 is one too.
    client::RunKey key = client::KeyOf(block, i);
    key.edit_position = -1;
    names = NameRun(legend, key);
  }
  cells = {{"replacement", std::move(names.replacement)},
           {"variant", std::move(names.label)},
           {"variant_name", std::move(names.name)}};
  const auto* descriptor = SummaryBlock::descriptor();
  for (int f = 0; f < descriptor->field_count(); ++f) {
    const FieldDescriptor* field = descriptor->field(f);
    if (field->name() == "replacement" || field->name() == "variant") continue;
    cells.emplace_back(field->name(), SummaryCell(block, field, i));
  }
  return cells;
}

NamedCells SummaryColumns(const Legend& legend) {
  return SummaryCells(legend, SummaryBlock::default_instance(), 0);
}

}  // namespace ablate::cli
