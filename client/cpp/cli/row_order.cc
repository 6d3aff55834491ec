#include "client/cpp/cli/row_order.h"

#include <utility>

namespace ablate::cli {

RowOrder::RowOrder(int n_prompts, int n_variants, Sink sink)
    : rows_a_prompt_(1 + n_variants), sink_(std::move(sink)), pending_(n_prompts) {}

absl::Status RowOrder::Take(const std::shared_ptr<const Block>& block) {
  for (int i = 0; i < block->columns().variant_size(); ++i) {
    Row row{block, i};
    Pending& pending = pending_[row.prompt()];
    pending.rows.resize(rows_a_prompt_);
    pending.rows[row.variant() + 1] = std::move(row);
    ++pending.arrived;
  }
  for (; next_ < pending_.size() && pending_[next_].arrived == rows_a_prompt_; ++next_) {
    const Pending whole = std::exchange(pending_[next_], {});
    if (auto status = sink_(static_cast<int>(next_), whole.rows); !status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace ablate::cli
