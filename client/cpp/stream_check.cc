#include "client/cpp/stream_check.h"

#include <cmath>

#include "absl/strings/str_cat.h"

namespace ablate::client {
namespace {

using ablation::v1::RowBlock;
using google::protobuf::FieldDescriptor;

template <typename... Parts>
absl::Status Broken(const Parts&... parts) {
  return absl::InternalError(absl::StrCat("the server broke the contract: ", parts...));
}

// Every column is absent or has one entry a row (top_k: k entries), and holds finite numbers. Written over the
// descriptor, so that a new column is checked from its first day.
absl::Status CheckColumns(const RowBlock& block, int64_t top_k) {
  const int64_t rows = block.variant_size();
  const auto* reflection = block.GetReflection();
  const auto* descriptor = block.GetDescriptor();
  for (int f = 0; f < descriptor->field_count(); ++f) {
    const FieldDescriptor* field = descriptor->field(f);
    if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) continue;
    const bool is_top_k = field->name() == "top_k_id" || field->name() == "top_k_logprob";
    const int64_t expected = is_top_k ? rows * top_k : rows;
    const int64_t size = reflection->FieldSize(block, field);
    if (size != expected && (size != 0 || is_top_k)) {
      return Broken("column ", field->name(), " has ", size, " entries in a block of ", rows, " rows, expected ",
                    expected);
    }
    if (field->cpp_type() != FieldDescriptor::CPPTYPE_DOUBLE) continue;
    for (int i = 0; i < size; ++i) {
      const double value = reflection->GetRepeatedDouble(block, field, i);
      if (!std::isfinite(value)) {
        const int64_t row = is_top_k ? i / top_k : i;
        return Broken("column ", field->name(), " holds ", value, " (prompt ", block.prompt_index(row), ", variant ",
                      block.variant(row), ")");
      }
    }
  }
  if (block.prompt_index_size() != rows) return Broken("a block of ", rows, " rows lacks the column prompt_index");
  return absl::OkStatus();
}

}  // namespace

absl::Status StreamCheck::Take(const ablation::v1::AblateResponse& response) {
  if (completed_) return Broken("a message came after the completion");
  if (response.has_manifest()) return TakeManifest(response.manifest());
  if (!has_manifest_) return Broken("the stream does not begin with a manifest");
  if (response.has_variant_block()) return TakeVariants(response.variant_block());
  if (response.has_prompt_block()) return TakePrompts(response.prompt_block());
  if (response.has_row_block()) return TakeRows(response.row_block());
  if (response.has_completion()) return TakeCompletion(response.completion());
  return absl::OkStatus();  // a payload of a newer contract, which clients pass over
}

absl::Status StreamCheck::TakeManifest(const ablation::v1::Manifest& manifest) {
  if (has_manifest_) return Broken("a second manifest came");
  has_manifest_ = true;
  n_variants_ = manifest.n_variants();
  rows_a_prompt_ = 1 + n_variants_;
  total_rows_ = n_prompts_ * rows_a_prompt_;
  if (manifest.n_prompts() != n_prompts_) {
    return Broken("the manifest announces ", manifest.n_prompts(), " prompts, the request holds ", n_prompts_);
  }
  if (n_variants_ < 0 || manifest.total_rows() != total_rows_) {
    return Broken("the manifest announces ", manifest.total_rows(), " rows, expected ", total_rows_, " (", n_prompts_,
                  " prompts x (1 + ", n_variants_, " variants))");
  }
  return absl::OkStatus();
}

absl::Status StreamCheck::TakeVariants(const ablation::v1::VariantBlock& block) {
  if (block.first_variant() != variants_ || block.variants().empty() ||
      variants_ + block.variants_size() > n_variants_) {
    return Broken("a block of ", block.variants_size(), " variants begins at ", block.first_variant(), "; ", variants_,
                  " of ", n_variants_, " have come");
  }
  variants_ += block.variants_size();
  return absl::OkStatus();
}

absl::Status StreamCheck::TakePrompts(const ablation::v1::PromptBlock& block) {
  if (variants_ != n_variants_) return Broken("prompts came after ", variants_, " of ", n_variants_, " variants");
  if (block.first_prompt_index() != prompts_ || block.prompts().empty() ||
      prompts_ + block.prompts_size() > n_prompts_) {
    return Broken("a block of ", block.prompts_size(), " prompts begins at ", block.first_prompt_index(), "; ",
                  prompts_, " of ", n_prompts_, " have come");
  }
  prompts_ += block.prompts_size();
  return absl::OkStatus();
}

absl::Status StreamCheck::TakeRows(const RowBlock& block) {
  if (variants_ != n_variants_ || prompts_ != n_prompts_) {
    return Broken("rows came after ", variants_, " of ", n_variants_, " variants and ", prompts_, " of ", n_prompts_,
                  " prompts");
  }
  // Not before so many variants and prompts have really come: announcing them costs nothing.
  if (seen_.empty()) seen_.assign(total_rows_, false);
  if (auto status = CheckColumns(block, top_k_); !status.ok()) return status;
  for (int i = 0; i < block.variant_size(); ++i) {
    const int64_t prompt = block.prompt_index(i), variant = block.variant(i);
    if (prompt < 0 || prompt >= n_prompts_) return Broken("a row names prompt ", prompt, " of ", n_prompts_);
    if (variant < -1 || variant + 1 >= rows_a_prompt_) {
      return Broken("a row names variant ", variant, " of ", rows_a_prompt_ - 1);
    }
    const auto at = seen_.begin() + (prompt * rows_a_prompt_ + variant + 1);
    if (*at) return Broken("the row of prompt ", prompt, ", variant ", variant, " came twice");
    *at = true;
  }
  rows_ += block.variant_size();
  return absl::OkStatus();
}

absl::Status StreamCheck::TakeCompletion(const ablation::v1::Completion& completion) {
  if (rows_ != total_rows_ || completion.rows() != total_rows_) {
    return Broken("the completion counts ", completion.rows(), " rows, ", rows_, " came, the manifest announced ",
                  total_rows_);
  }
  completed_ = true;
  return absl::OkStatus();
}

absl::Status StreamCheck::End() const {
  if (completed_) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat("incomplete: the stream ended after ", rows_, " of ",
                                          has_manifest_ ? absl::StrCat(total_rows_) : "an unknown number of",
                                          " rows, without its completion; the results so far are not the whole scan"));
}

}  // namespace ablate::client
