#include "client/cpp/cli/row_order.h"

#include <utility>

namespace ablate::cli {
namespace {

template <typename T>
void Put(std::vector<T>* entries, int64_t size, const absl::StatusOr<int64_t>& index, T entry) {
  entries->resize(size);
  (*entries)[*index] = std::move(entry);
}

}  // namespace

RowOrder::RowOrder(const client::ScanManifest& manifest, RowExtras extras, Sink sink, PromptOrder order)
    : space_(manifest.head), extras_(extras), sink_(std::move(sink)), order_(order), pending_(manifest.n_prompts()) {
  // Checked with the stream.
  for (const auto& prompt : manifest.prompts) space_.AddPrompt(prompt).IgnoreError();
}

int64_t RowOrder::SizeOf(size_t prompt) const {
  const auto number = static_cast<int64_t>(prompt);
  return space_.rows_of(number) + (extras_.likelihood ? space_.runs_of(number) : 0) +
         (extras_.compensation ? space_.edited_rows_of(number) : 0);
}

absl::Status RowOrder::HandOut(size_t prompt) {
  const Pending whole = std::exchange(pending_[prompt], {.is_over = true});
  return sink_({static_cast<int>(prompt), whole.rows, whole.likelihoods, whole.compensations});
}

absl::Status RowOrder::HandOutInOrder() {
  for (; next_ < pending_.size() && (pending_[next_].is_over || IsWhole(next_)); ++next_) {
    if (pending_[next_].is_over) continue;
    if (auto status = HandOut(next_); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status RowOrder::Arrived(int32_t prompt) {
  ++pending_[prompt].arrived;
  return order_ == PromptOrder::kAsTheyCome && IsWhole(prompt) ? HandOut(prompt) : absl::OkStatus();
}

absl::Status RowOrder::Skip(int32_t prompt) {
  pending_[prompt] = {.is_over = true};
  return HandOutInOrder();
}

absl::StatusOr<std::vector<int>> RowOrder::Finish() {
  std::vector<int> begun;
  for (size_t p = next_; p < pending_.size(); ++p) {
    if (pending_[p].is_over || pending_[p].arrived == 0) continue;
    if (!IsWhole(p)) {
      begun.push_back(static_cast<int>(p));
    } else if (auto status = HandOut(p); !status.ok()) {
      return status;
    }
  }
  return begun;
}

absl::Status RowOrder::Take(const std::shared_ptr<const Block>& block) {
  for (int i = 0; i < block->columns().variant_size(); ++i) {
    Row row{block, i};
    const int32_t prompt = row.prompt();
    const auto index = space_.RowIndex(prompt, row.key(), row.position());
    if (!index.ok()) return index.status();
    Put(&pending_[prompt].rows, space_.rows_of(prompt), index, std::move(row));
    if (auto status = Arrived(prompt); !status.ok()) return status;
  }
  return HandOutInOrder();
}

absl::Status RowOrder::Take(const std::shared_ptr<const ablation::v1::LikelihoodBlock>& block) {
  const int32_t prompt = block->prompt_index();
  for (int i = 0; i < block->variant_size(); ++i) {
    LikelihoodEntry entry{block, i};
    const auto index = space_.RunIndex(prompt, entry.key());
    if (!index.ok()) return index.status();
    Put(&pending_[prompt].likelihoods, space_.runs_of(prompt), index, std::move(entry));
    if (auto status = Arrived(prompt); !status.ok()) return status;
  }
  return HandOutInOrder();
}

absl::Status RowOrder::Take(const std::shared_ptr<const ablation::v1::CompensationBlock>& block) {
  const int32_t prompt = block->prompt_index();
  const int64_t n_unedited = space_.rows_of(prompt) - space_.edited_rows_of(prompt);
  for (int i = 0; i < block->variant_size(); ++i) {
    CompensationEntry entry{block, i};
    auto index = space_.RowIndex(prompt, entry.key(), block->position(i));
    if (!index.ok()) return index.status();
    *index -= n_unedited;
    Put(&pending_[prompt].compensations, space_.edited_rows_of(prompt), index, std::move(entry));
    if (auto status = Arrived(prompt); !status.ok()) return status;
  }
  return HandOutInOrder();
}

}  // namespace ablate::cli
