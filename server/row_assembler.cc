#include "server/row_assembler.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/errors.h"

namespace ablate {

RowAssembler::RowAssembler(std::shared_ptr<const PreparedRequest> prepared, bool is_over_pairs)
    : prepared_(std::move(prepared)),
      pairs_(is_over_pairs ? std::make_optional<PairIndex>(prepared_->variants) : std::nullopt) {}

absl::StatusOr<AssembledRows> RowAssembler::Take(const ReadoutBlock& block, size_t unit) {
  const absl::Status columns = CheckColumns(block, prepared_->shape);
  if (!columns.ok()) return absl::InternalError(columns.message());
  if (absl::Status finite = CheckFinite(block, unit); !finite.ok()) return finite;
  const int32_t prompt = prepared_->units[unit].prompt;
  std::unique_ptr<PromptRows>& rows = prompts_[prompt];
  if (rows == nullptr) {
    rows = std::make_unique<PromptRows>(prepared_.get(), prompt, pairs_.has_value() ? &*pairs_ : nullptr);
  }
  AssembledRows out;
  out.prompt = prompt;
  rows->Take(block, unit, out);
  return out;
}

// A constant or a factor may be finite, and what the model makes of it overflow.
absl::Status RowAssembler::CheckFinite(const ReadoutBlock& block, size_t unit) const {
  const std::optional<NotFinite> found = FindNotFinite(block);
  if (!found.has_value()) return absl::OkStatus();
  const UnitVariant is = prepared_->DescribeVariant(unit, block.variant[found->row]);
  const std::string where = absl::StrCat("prompts[", prepared_->units[unit].prompt, "] at position ",
                                         block.position[found->row], " gives ", found->value, " as ", found->column);
  if (is.replacement < 0) {
    return ErrorWithReason(absl::StatusCode::kInternal, "RESULT_NOT_FINITE", absl::StrCat("unedited, ", where));
  }
  const SiteSet& set = prepared_->variants[static_cast<size_t>(is.variant)];
  return BadField(absl::StrCat("replacements[", is.replacement, "]"), "RESULT_NOT_FINITE",
                  absl::StrCat("with it at ", Label(set.sites, prepared_->shape), ", ", where,
                               ": its values are too large to compute with, expected smaller ones"));
}

absl::Status RowAssembler::EndPrompt(int32_t prompt) {
  const auto found = prompts_.find(prompt);
  const int64_t rows = found == prompts_.end() ? 0 : found->second->rows();
  if (found != prompts_.end()) prompts_.erase(found);
  const int64_t expected = prepared_->rows_of(static_cast<size_t>(prompt));
  if (rows == expected) return absl::OkStatus();
  return ErrorWithReason(absl::StatusCode::kInternal, "ROWS_MISSING",
                         absl::StrCat("prompt ", prompt, " has got ", rows, " rows, expected ", expected));
}

}  // namespace ablate
