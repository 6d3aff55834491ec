#include "server/jobs/job_statistics.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/time/clock.h"
#include "server/delta_table.h"
#include "server/jobs/crash_ledger.h"
#include "server/row_blocks.h"
#include "server/row_messages.h"
#include "server/selection.h"

namespace ablate {
namespace {

namespace pb = ::ablation::v1;

absl::Status Unreadable() {
  return absl::DataLossError("a stored result cannot be read");
}

pb::RowBlock ChoiceOf(const WireRows& rows) {
  pb::RowBlock block;
  const auto copy = [](const auto& from, auto* to) { to->Add(from.begin(), from.end()); };
  copy(rows.values.variant, block.mutable_variant());
  copy(rows.values.position, block.mutable_position());
  copy(rows.replacement, block.mutable_replacement());
  copy(rows.edit_position, block.mutable_edit_position());
  copy(rows.values.delta_logit_diff, block.mutable_delta_logit_diff());
  copy(rows.values.delta_prob_diff, block.mutable_delta_prob_diff());
  copy(rows.values.delta_target_logprob, block.mutable_delta_target_logprob());
  return block;
}

// Others hold it for seconds to minutes.
absl::StatusOr<Budget::Lease> AwaitLease(Budget& budget, int64_t values, const std::function<absl::Status()>& go_on) {
  while (true) {
    auto lease = budget.Take(values);
    if (lease.ok()) return lease;
    const absl::Status may = go_on();
    if (!may.ok()) return may;
    absl::SleepFor(absl::Milliseconds(100));
  }
}

}  // namespace

std::vector<std::string> EncodeChoice(const AssembledRows& rows) {
  // Serialised messages one behind the other are one message with longer columns.
  return {ChoiceOf(rows.plain).SerializeAsString() + ChoiceOf(rows.normalized).SerializeAsString()};
}

absl::StatusOr<pb::Selection> OrderOf(const PreparedRequest& chooser, absl::Span<const int32_t> prompts,
                                      absl::Span<const PromptResults> choices) {
  std::vector<int32_t> local;
  for (const PromptResults& choice : choices) {
    local.push_back(
        static_cast<int32_t>(std::lower_bound(prompts.begin(), prompts.end(), choice.prompt) - prompts.begin()));
  }
  if (local.empty()) return absl::InternalError("every prompt that chooses was set aside");
  PreparedRequest kept = chooser;
  KeepForSelection(local, kept);
  SiteStrengths strengths(std::make_shared<const PreparedRequest>(std::move(kept)));
  for (size_t i = 0; i < choices.size(); ++i) {
    pb::RowBlock block;
    if (!block.ParseFromString(choices[i].messages.at(0))) return Unreadable();
    strengths.Take(static_cast<int32_t>(i), PrimaryRows(block));
  }
  return strengths.Order();
}

absl::StatusOr<std::vector<std::string>> MakeJobStatistics(JobStore& store, int64_t job,
                                                           const std::shared_ptr<const PreparedRequest>& prepared,
                                                           const SummaryRequest& summary, const Backend& backend,
                                                           const std::function<absl::Status()>& go_on) {
  const auto lease = AwaitLease(*backend.deltas, DeltaTable::ValuesOf(*prepared), go_on);
  if (!lease.ok()) return lease.status();
  const WholeJobNote note(&store.ledger(), job);
  DeltaTable deltas(prepared);
  constexpr int64_t kPageBytes = 4 << 20;
  for (int64_t offset = 0;;) {
    if (absl::Status may = go_on(); !may.ok()) return may;
    const auto page = store.ReadResults(job, offset, kPageBytes);
    if (!page.ok()) return page.status();
    if (page->messages.empty()) break;
    offset += static_cast<int64_t>(page->messages.size());
    for (const std::string& message : page->messages) {
      pb::AblateResponse response;
      if (!response.ParseFromString(message)) return Unreadable();
      if (!response.has_row_block() || response.row_block().prompt_index().empty()) continue;
      // A block has rows of one prompt.
      deltas.Take(response.row_block().prompt_index(0), PrimaryRows(response.row_block()));
    }
  }
  auto messages = MakeSummary(deltas, summary, go_on);
  if (!messages.ok()) return messages.status();
  std::vector<std::string> serialised;
  for (const pb::AblateResponse& message : *messages) serialised.push_back(message.SerializeAsString());
  return serialised;
}

}  // namespace ablate
