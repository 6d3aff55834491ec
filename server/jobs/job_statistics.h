// What a job's statistics are made of: the rows that its prompts left in the store.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ablation/v1/scan.pb.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/backend.h"
#include "server/jobs/job_store.h"
#include "server/prepare.h"
#include "server/prompt_rows.h"
#include "server/summary.h"

namespace ablate {

// The part of a prompt's rows that orders sites, as pieces of one serialised RowBlock.
std::vector<std::string> EncodeChoice(const AssembledRows& rows);

// The order that choices give, the strongest site first. `chooser` has the prompts `prompts` of the job; those without
// a choice, which were set aside, are passed over.
absl::StatusOr<ablation::v1::Selection> OrderOf(const PreparedRequest& chooser, absl::Span<const int32_t> prompts,
                                                absl::Span<const PromptResults> choices);

// The summary's messages, serialised, over the rows in the store. Seconds to minutes; `go_on` is asked now and then.
// The job is noted in the ledger from when there is room for its table.
absl::StatusOr<std::vector<std::string>> MakeJobStatistics(JobStore& store, int64_t job,
                                                           const std::shared_ptr<const PreparedRequest>& prepared,
                                                           const SummaryRequest& summary, const Backend& backend,
                                                           const std::function<absl::Status()>& go_on);

}  // namespace ablate
