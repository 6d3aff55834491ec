#include "server/jobs/job_run.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/time/clock.h"
#include "server/convert.h"
#include "server/errors.h"
#include "server/jobs/describe_job.h"
#include "server/jobs/job_statistics.h"
#include "server/prepare_for.h"
#include "server/row_messages.h"
#include "server/scan_head.h"
#include "server/server_info.h"

namespace ablate {
namespace {

namespace pb = ::ablation::v1;

}  // namespace

bool IsEngineError(const absl::Status& status) {
  const std::string reason = ErrorReason(status);
  return reason == "ENGINE_FAILED" || reason == "OUT_OF_MEMORY";
}

JobRun::JobRun(const StoredJob& job, JobStore* store, JobHub* hub, const Backend* backend, JobRunOptions options)
    : job_(job), store_(store), hub_(hub), backend_(backend), options_(std::move(options)) {}

absl::Status JobRun::GoOn() const {
  return options_.stopped() ? absl::CancelledError("the job was stopped") : absl::OkStatus();
}

absl::StatusOr<PreparedRequest> JobRun::Prepare(absl::Span<const Site> order) const {
  // What was accepted runs, also where the server has lower limits by now.
  constexpr int64_t kAny = std::numeric_limits<int64_t>::max();
  const RequestLimits limits = {.cost = kAny, .tokens = kAny};
  const WholeJobNote note(&store_->ledger(), job_.number);
  return PrepareFor(job_.tenant, request_, limits, *backend_, [this] { return GoOn(); }, order);
}

absl::Status JobRun::Run() {
  absl::Status status =
      Persist([this] { return store_->MarkRunning(job_.number, JobEngineOf(backend_->engine->Describe()).runs_as); });
  if (!status.ok()) return status;
  status = ReadRequest();
  if (!status.ok()) return status;
  if (NeedsOrder(request_)) status = Choose();
  if (!status.ok()) return status;
  auto prepared = Prepare(SitesOf(selection_));
  if (!prepared.ok()) return prepared.status();
  prepared_ = std::make_shared<const PreparedRequest>(*std::move(prepared));
  status = ReserveTable(*prepared_);
  if (status.ok()) status = AddHead();
  if (!status.ok()) return status;
  const auto done = store_->PromptsDone(job_.number);
  if (!done.ok()) return done.status();

  JobSinkOptions sink = SinkOptions();
  sink.is_over_pairs = request_.sweep().has_pairs();
  sink.encode = [format = RowFormat::Of(*prepared_), tokenizer = &backend_->engine->tokenizer()](AssembledRows rows) {
    std::vector<std::string> messages;
    for (const pb::AblateResponse& message : MakeMessages(std::move(rows), format, *tokenizer)) {
      messages.push_back(message.SerializeAsString());
    }
    return messages;
  };
  status = RunPrompts(prepared_, *done, sink, [this](const std::vector<PromptResults>& results) {
    return store_->AddResults(job_.number, results);
  });
  return status.ok() ? Finish() : status;
}

absl::Status JobRun::ReadRequest() {
  const WholeJobNote note(&store_->ledger(), job_.number);
  const auto bytes = store_->ReadRequest(job_.number);
  if (!bytes.ok()) return bytes.status();
  return request_.ParseFromString(*bytes) ? absl::OkStatus() : absl::DataLossError("the stored request cannot be read");
}

absl::Status JobRun::ReserveTable(const PreparedRequest& prepared) {
  if (prepared.table == nullptr || table_lease_ != nullptr) return absl::OkStatus();
  // Other requests hold it for seconds.
  while (true) {
    auto lease = backend_->tables->Take(static_cast<int64_t>(prepared.table->values.size()));
    if (lease.ok()) {
      table_lease_ = std::make_unique<Budget::Lease>(*std::move(lease));
      return absl::OkStatus();
    }
    if (options_.stopped()) return GoOn();
    absl::SleepFor(absl::Milliseconds(100));
  }
}

absl::Status JobRun::Choose() {
  auto prepared = Prepare({});
  if (!prepared.ok()) return prepared.status();
  absl::Status status = ReserveTable(*prepared);
  if (!status.ok()) return status;
  auto split = SplitFor(request_.summary(), prepared->prompts);
  if (!split.ok()) return split.status();
  split_ = *std::move(split);
  KeepForSelection(split_->chooses, *prepared);
  selection_cost_ = prepared->cost;
  const auto chooser = std::make_shared<const PreparedRequest>(*std::move(prepared));
  const auto before = store_->ReadChoices(job_.number);
  if (!before.ok()) return before.status();
  std::vector<int32_t> done;
  for (const PromptResults& choice : *before) done.push_back(choice.prompt);

  JobSinkOptions sink = SinkOptions();
  sink.prompt_of = split_->chooses;
  sink.encode = [](const AssembledRows& rows) { return EncodeChoice(rows); };
  status = RunPrompts(chooser, done, sink, [this](const std::vector<PromptResults>& results) {
    return store_->AddChoices(job_.number, results);
  });
  if (!status.ok()) return status;
  const WholeJobNote note(&store_->ledger(), job_.number);
  const auto choices = store_->ReadChoices(job_.number);
  if (!choices.ok()) return choices.status();
  auto selection = OrderOf(*chooser, split_->chooses, *choices);
  if (!selection.ok()) return selection.status();
  selection_ = *std::move(selection);
  NameChoosers(*split_, static_cast<size_t>(request_.prompts_size()), selection_);
  return absl::OkStatus();
}

absl::Status JobRun::AddHead() {
  const auto now = store_->GetByNumber(job_.number);
  if (!now.ok()) return now.status();
  if (now->job.n_results() > 0) return absl::OkStatus();
  const int64_t cost = selection_cost_ + prepared_->cost;
  pb::Manifest manifest = BeginManifest(*backend_, cost);
  if (split_.has_value()) *manifest.mutable_selection() = selection_;
  std::vector<std::string> messages;
  {
    const WholeJobNote note(&store_->ledger(), job_.number);
    ScanHead head(std::move(manifest), &request_, prepared_, &backend_->engine->tokenizer());
    while (const auto message = head.Next()) messages.push_back(message->SerializeAsString());
  }
  const absl::Status added = Persist([&] { return store_->AddHead(job_.number, messages, cost); });
  hub_->Changed(job_.number);
  return added;
}

absl::Status JobRun::Finish() {
  auto messages = Statistics();
  if (!messages.ok()) return messages.status();
  const auto now = store_->GetByNumber(job_.number);
  if (!now.ok()) return now.status();
  absl::flat_hash_set<int32_t> skipped;
  for (const pb::SkippedPrompt& prompt : now->job.skipped_prompts()) skipped.insert(prompt.prompt_index());
  int64_t rows = 0;
  for (size_t p = 0; p < prepared_->prompts.size(); ++p) {
    if (!skipped.contains(static_cast<int32_t>(p))) rows += prepared_->rows_of(p);
  }
  pb::AblateResponse response;
  pb::Completion& completion = *response.mutable_completion();
  completion.set_rows(rows);
  // No time to send: the message is read as often as anybody likes.
  pb::Timing& timing = *completion.mutable_timing();
  timing.set_queue_ns(std::max<int64_t>(0, now->job.started_unix_ms() - now->job.created_unix_ms()) * 1'000'000);
  FillTiming(now->use, timing);
  timing.set_total_ns(std::max<int64_t>(0, absl::ToUnixMillis(absl::Now()) - now->job.created_unix_ms()) * 1'000'000);
  messages->push_back(response.SerializeAsString());
  const pb::JobState state = skipped.empty() ? pb::JOB_STATE_SUCCEEDED : pb::JOB_STATE_PARTIAL;
  const absl::Status finished = Persist([&] { return store_->Finish(job_.number, state, {}, *messages); });
  hub_->Changed(job_.number);
  return finished;
}

absl::Status JobRun::Fail(const absl::Status& why) {
  pb::JobError error;
  error.set_code(static_cast<int>(why.code()));
  error.set_reason(ErrorReason(why));
  error.set_message(std::string(why.message()));
  const absl::Status ended = Persist([&] { return store_->Finish(job_.number, pb::JOB_STATE_FAILED, error, {}); });
  hub_->Changed(job_.number);
  return ended;
}

absl::StatusOr<std::vector<std::string>> JobRun::Statistics() {
  if (!request_.has_summary()) return std::vector<std::string>();
  SummaryRequest summary = SummaryOf(request_, split_, backend_->numeric_floor);
  const auto suspects = store_->Suspects(job_.number);
  if (!suspects.ok()) return suspects.status();
  const auto skipped = Skipped(*suspects);
  std::erase_if(summary.estimates, [&skipped](int32_t prompt) { return skipped.contains(prompt); });
  return MakeJobStatistics(*store_, job_.number, prepared_, summary, *backend_, [this] { return GoOn(); });
}

}  // namespace ablate
