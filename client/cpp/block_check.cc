#include "client/cpp/block_check.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <iterator>

#include "absl/strings/str_cat.h"

namespace ablate::client {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

template <typename... Parts>
absl::Status Broken(const Parts&... parts) {
  return absl::InternalError(absl::StrCat("the server broke the contract: ", parts...));
}

// How many entries a column has for each row; `must` where it cannot be absent.
struct Shape {
  int64_t width = 1;
  bool must = false;
};

// Every column is absent or whole, and holds finite numbers (where `allows_nan`, NaN too). Written over the descriptor,
// so that a new column is checked from its first day.
absl::Status CheckColumns(const Message& block, int64_t rows, bool allows_nan,
                          const std::function<Shape(const FieldDescriptor&)>& shape_of,
                          const std::function<std::string(int64_t)>& name_row) {
  const auto* reflection = block.GetReflection();
  const auto* descriptor = block.GetDescriptor();
  for (int f = 0; f < descriptor->field_count(); ++f) {
    const FieldDescriptor* field = descriptor->field(f);
    if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE || !field->is_repeated()) continue;
    const Shape shape = shape_of(*field);
    const int64_t size = reflection->FieldSize(block, field);
    if (size != rows * shape.width && (size != 0 || shape.must)) {
      return Broken("column ", field->name(), " has ", size, " entries in a block of ", rows, " rows, expected ",
                    rows * shape.width);
    }
    if (field->cpp_type() != FieldDescriptor::CPPTYPE_DOUBLE) continue;
    for (int i = 0; i < size; ++i) {
      const double value = reflection->GetRepeatedDouble(block, field, i);
      if (std::isfinite(value) || (allows_nan && std::isnan(value))) continue;
      return Broken("column ", field->name(), " holds ", value, " (", name_row(i / shape.width), ")");
    }
  }
  return absl::OkStatus();
}

bool IsKey(const FieldDescriptor& field, const BlockSizes& sizes) {
  if (field.name() == "replacement") return sizes.n_replacements > 1;
  if (field.name() == "edit_position") return sizes.sweeps_positions;
  return field.name() == "prompt_index" || field.name() == "variant" || field.name() == "position";
}

// Of a column of rows that is absent unless the request asks for it.
bool IsAskedFor(const FieldDescriptor& field, const BlockSizes& sizes) {
  if (field.name() == "kl_to_clean") return sizes.has_pairs;
  if (field.name() == "interaction") return sizes.has_interactions;
  constexpr absl::string_view kEffects[] = {"direct_contribution", "direct_effect",   "direct_effect_live",
                                            "total_effect",        "indirect_effect", "self_repair"};
  return sizes.has_effects && std::find(std::begin(kEffects), std::end(kEffects), field.name()) != std::end(kEffects);
}

}  // namespace

absl::Status CheckBlock(const ablation::v1::RowBlock& block, const BlockSizes& sizes) {
  const int64_t rows = std::max({block.variant_size(), block.prompt_index_size(), block.position_size()});
  return CheckColumns(
      block, rows, /*allows_nan=*/false,
      [&](const FieldDescriptor& field) {
        const bool is_top_k = field.name() == "top_k_id" || field.name() == "top_k_logprob";
        return is_top_k ? Shape{sizes.top_k, true} : Shape{1, IsKey(field, sizes) || IsAskedFor(field, sizes)};
      },
      [&](int64_t row) {
        return absl::StrCat("prompt ", block.prompt_index(static_cast<int>(row)), ", variant ",
                            block.variant(static_cast<int>(row)));
      });
}

absl::Status CheckBlock(const ablation::v1::LikelihoodBlock& block, const BlockSizes& sizes, int64_t n_tokens) {
  return CheckColumns(
      block, block.variant_size(), /*allows_nan=*/false,
      [&](const FieldDescriptor& field) {
        if (field.name() == "token_logprob") return Shape{n_tokens - 1, true};
        const bool is_key = IsKey(field, sizes);
        return Shape{1, is_key || field.cpp_type() == FieldDescriptor::CPPTYPE_DOUBLE};
      },
      [&](int64_t row) {
        return absl::StrCat("prompt ", block.prompt_index(), ", variant ", block.variant(static_cast<int>(row)));
      });
}

absl::Status CheckBlock(const ablation::v1::CompensationBlock& block, const BlockSizes& sizes) {
  return CheckColumns(
      block, std::max(block.variant_size(), block.position_size()), /*allows_nan=*/false,
      [&](const FieldDescriptor& field) {
        if (field.name() == "heads") return Shape{int64_t{sizes.n_layers} * sizes.n_heads, true};
        if (field.name() == "mlps") return Shape{sizes.n_layers, true};
        return Shape{1, IsKey(field, sizes) || field.name() == "layer_norm"};
      },
      [&](int64_t row) {
        return absl::StrCat("prompt ", block.prompt_index(), ", variant ", block.variant(static_cast<int>(row)));
      });
}

absl::Status CheckBlock(const ablation::v1::SummaryBlock& block, const BlockSizes& sizes, int64_t n_variants) {
  const int64_t rows = std::max(block.variant_size(), block.replacement_size());
  auto status = CheckColumns(
      block, rows, /*allows_nan=*/true,
      [&](const FieldDescriptor& field) {
        return Shape{1, field.name() == "replacement" || IsKey(field, sizes) || field.name() == "read_index" ||
                            field.name() == "mean"};
      },
      [](int64_t row) { return absl::StrCat("entry ", row); });
  if (!status.ok()) return status;
  for (int i = 0; i < rows; ++i) {
    if (block.variant(i) < 0 || block.variant(i) >= n_variants) {
      return Broken("the summary names variant ", block.variant(i), " of ", n_variants);
    }
    if (block.replacement(i) < 0 || block.replacement(i) >= sizes.n_replacements) {
      return Broken("the summary names replacement ", block.replacement(i), " of ", sizes.n_replacements);
    }
  }
  return absl::OkStatus();
}

}  // namespace ablate::client
