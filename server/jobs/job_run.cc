#include "server/jobs/job_run.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/time/clock.h"
#include "server/convert.h"
#include "server/errors.h"
#include "server/jobs/job_statistics.h"
#include "server/means/store_error.h"
#include "server/row_messages.h"
#include "server/runtime_info.h"
#include "server/scan_head.h"
#include "spdlog/spdlog.h"

namespace ablate {
namespace {

namespace pb = ::ablation::v1;

absl::flat_hash_set<int32_t> Skipped(const std::vector<Suspect>& suspects) {
  absl::flat_hash_set<int32_t> skipped;
  for (const Suspect& suspect : suspects) {
    if (!suspect.skip_reason.empty()) skipped.insert(suspect.prompt);
  }
  return skipped;
}

// The same request with the units that `keep` wants.
template <typename Keep>
PreparedRequest WithUnits(const PreparedRequest& prepared, const Keep& keep) {
  PreparedRequest some = prepared;
  some.units.clear();
  some.cost = 0;
  for (const ScanUnit& unit : prepared.units) {
    if (!keep(unit.prompt)) continue;
    some.units.push_back(unit);
    some.cost += unit.cost;
  }
  return some;
}

}  // namespace

absl::StatusOr<PreparedRequest> PrepareJob(const pb::AblateRequest& request, const std::string& tenant,
                                           const Backend& backend, std::function<absl::Status()> go_on,
                                           absl::Span<const Site> order) {
  const auto means = StoreOf(backend.means, tenant);
  if (!means.ok()) return means.status();
  PrepareContext context;
  context.engine = backend.engine;
  context.limits = backend.job_limits;
  context.means = *means;
  context.go_on = std::move(go_on);
  return Prepare(request, context, order);
}

JobRun::JobRun(const StoredJob& job, JobStore* store, JobHub* hub, const Backend* backend,
               std::function<bool()> stopped, std::function<void(int64_t cost, absl::Duration took)> measured)
    : job_(job),
      store_(store),
      hub_(hub),
      backend_(backend),
      stopped_(std::move(stopped)),
      measured_(std::move(measured)) {}

absl::Status JobRun::GoOn() const {
  return stopped_() ? absl::CancelledError("the job was stopped") : absl::OkStatus();
}

absl::Status JobRun::Persist(const std::function<absl::Status()>& write) const {
  absl::Duration pause = absl::Milliseconds(100);
  while (true) {
    const absl::Status written = write();
    if (absl::IsAborted(written) || absl::IsNotFound(written)) return absl::CancelledError(written.message());
    if (!absl::IsUnavailable(written)) return written;
    spdlog::error("job {}: {}; trying again in {}", job_.job.id(), std::string(written.message()),
                  absl::FormatDuration(pause));
    // What was deleted gives its pages back: nobody else does that while a job runs.
    for (absl::StatusOr<bool> more = true; more.ok() && *more;) more = store_->Sweep();
    for (const absl::Time until = absl::Now() + pause; absl::Now() < until; absl::SleepFor(absl::Milliseconds(50))) {
      if (stopped_()) return GoOn();
    }
    pause = std::min(2 * pause, absl::Seconds(30));
  }
}

absl::Status JobRun::Run() {
  absl::Status status = Persist([this] { return store_->MarkRunning(job_.number); });
  if (!status.ok()) return status;
  const auto bytes = store_->ReadRequest(job_.number);
  if (!bytes.ok()) return bytes.status();
  if (!request_.ParseFromString(*bytes)) return absl::DataLossError("the stored request cannot be read");
  if (NeedsOrder(request_)) status = Choose();
  if (!status.ok()) return status;
  auto prepared = PrepareJob(request_, job_.tenant, *backend_, [this] { return GoOn(); }, SitesOf(selection_));
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
  status = RunPrompts(prepared_, *done, std::move(sink), [this](const std::vector<PromptResults>& results) {
    return store_->AddResults(job_.number, results);
  });
  return status.ok() ? Finish() : status;
}

JobSinkOptions JobRun::SinkOptions() const {
  JobSinkOptions options;
  options.max_waiting_bytes = backend_->max_stream_bytes;
  options.abandoned = stopped_;
  options.ledger = &store_->ledger();
  options.job = job_.number;
  return options;
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
    if (stopped_()) return GoOn();
    absl::SleepFor(absl::Milliseconds(100));
  }
}

absl::Status JobRun::Choose() {
  auto prepared = PrepareJob(request_, job_.tenant, *backend_, [this] { return GoOn(); });
  if (!prepared.ok()) return prepared.status();
  absl::Status status = ReserveTable(*prepared);
  if (!status.ok()) return status;
  split_ = WithoutSplit(prepared->prompts.size());
  if (request_.summary().split()) {
    auto split = SplitClusters(prepared->prompts, request_.summary().seed());
    if (!split.ok()) return split.status();
    split_ = *std::move(split);
  }
  has_split_ = true;
  KeepForSelection(split_.chooses, *prepared);
  selection_cost_ = prepared->cost;
  const auto chooser = std::make_shared<const PreparedRequest>(*std::move(prepared));
  const auto before = store_->ReadChoices(job_.number);
  if (!before.ok()) return before.status();
  std::vector<int32_t> done;
  for (const PromptResults& choice : *before) done.push_back(choice.prompt);

  JobSinkOptions sink = SinkOptions();
  sink.prompt_of = split_.chooses;
  sink.encode = [](const AssembledRows& rows) { return EncodeChoice(rows); };
  status = RunPrompts(chooser, done, std::move(sink), [this](const std::vector<PromptResults>& results) {
    return store_->AddChoices(job_.number, results);
  });
  if (!status.ok()) return status;
  const auto choices = store_->ReadChoices(job_.number);
  if (!choices.ok()) return choices.status();
  auto selection = OrderOf(*chooser, split_.chooses, *choices);
  if (!selection.ok()) return selection.status();
  selection_ = *std::move(selection);
  if (split_.chooses.size() < static_cast<size_t>(request_.prompts_size())) {
    selection_.mutable_prompt_index()->Assign(split_.chooses.begin(), split_.chooses.end());
  }
  return absl::OkStatus();
}

absl::Status JobRun::AddHead() {
  const auto now = store_->GetByNumber(job_.number);
  if (!now.ok()) return now.status();
  if (now->job.n_results() > 0) return absl::OkStatus();
  pb::Manifest manifest;
  *manifest.mutable_model() = MakeModelInfo(backend_->engine->Describe(), backend_->model_name);
  *manifest.mutable_runtime() = RuntimeOf(*backend_);
  manifest.set_cost(selection_cost_ + prepared_->cost);
  if (has_split_) *manifest.mutable_selection() = selection_;
  ScanHead head(std::move(manifest), &request_, prepared_, &backend_->engine->tokenizer());
  std::vector<std::string> messages;
  while (const auto message = head.Next()) messages.push_back(message->SerializeAsString());
  const int64_t cost = selection_cost_ + prepared_->cost;
  const absl::Status added = Persist([&] { return store_->AddHead(job_.number, messages, cost); });
  hub_->Changed(job_.number);
  return added;
}

absl::Status JobRun::RunPrompts(const std::shared_ptr<const PreparedRequest>& prepared,
                                const std::vector<int32_t>& done, JobSinkOptions sink, const Store& store) {
  const auto suspects = store_->Suspects(job_.number);
  if (!suspects.ok()) return suspects.status();
  const auto in_job = [&sink](int32_t prompt) {
    return sink.prompt_of.empty() ? prompt : sink.prompt_of[static_cast<size_t>(prompt)];
  };
  absl::flat_hash_set<int32_t> over(done.begin(), done.end());
  over.merge(Skipped(*suspects));
  for (const Suspect& suspect : *suspects) {
    if (!over.insert(suspect.prompt).second) continue;
    const absl::Status ran =
        RunUnits(WithUnits(*prepared, [&](int32_t prompt) { return in_job(prompt) == suspect.prompt; }), sink, store);
    if (!ran.ok()) return ran;
  }
  return RunUnits(WithUnits(*prepared, [&](int32_t prompt) { return !over.contains(in_job(prompt)); }), sink, store);
}

absl::Status JobRun::RunUnits(PreparedRequest prepared, const JobSinkOptions& options, const Store& store) {
  if (prepared.units.empty()) return GoOn();
  auto work = std::make_shared<Request>();
  work->prepared = std::make_shared<const PreparedRequest>(std::move(prepared));
  work->is_background = true;
  const auto sink = std::make_shared<JobSink>(work->prepared, options);
  work->sink = sink;
  work->amend = [sink](Scan& /*scan*/, size_t unit) { sink->NoteRun(unit); };
  absl::Status status = backend_->scheduler->Submit(std::move(work));
  if (!status.ok()) return absl::CancelledError(status.message());
  // The first error counts, but the device must have let go of everything before this returns.
  absl::Time since = absl::Now();
  while (true) {
    const JobSink::Ready ready = sink->Await();
    if (!ready.results.empty() && status.ok()) {
      status = Persist([&] { return store(ready.results); });
      hub_->Changed(job_.number);
      int64_t cost = 0;
      for (const PromptResults& prompt : ready.results) cost += prompt.cost;
      const absl::Time now = absl::Now();
      measured_(cost, now - std::exchange(since, now));
    }
    sink->Stored(ready.results);
    backend_->scheduler->Wake();
    if (!ready.ended.has_value()) continue;
    if (!status.ok()) return status;
    return stopped_() ? GoOn() : *ready.ended;
  }
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
  completion.mutable_timing()->set_queue_ns((now->job.started_unix_ms() - now->job.created_unix_ms()) * 1'000'000);
  completion.mutable_timing()->set_total_ns((absl::ToUnixMillis(absl::Now()) - now->job.created_unix_ms()) * 1'000'000);
  messages->push_back(response.SerializeAsString());
  const pb::JobState state = skipped.empty() ? pb::JOB_STATE_SUCCEEDED : pb::JOB_STATE_PARTIAL;
  const absl::Status finished = Persist([&] { return store_->Finish(job_.number, state, {}, *messages); });
  hub_->Changed(job_.number);
  return finished;
}

absl::StatusOr<std::vector<std::string>> JobRun::Statistics() {
  if (!request_.has_summary()) return std::vector<std::string>();
  SummaryRequest summary{.options = request_.summary(),
                         .estimates = has_split_ ? split_.estimates : WithoutSplit(prepared_->prompts.size()).estimates,
                         .selected_in_sample = has_split_ && !request_.summary().split(),
                         .is_over_pairs = request_.sweep().has_pairs(),
                         .keeps_sets = request_.sweep().has_all_but(),
                         .floors = backend_->numeric_floor};
  const auto suspects = store_->Suspects(job_.number);
  if (!suspects.ok()) return suspects.status();
  const auto skipped = Skipped(*suspects);
  std::erase_if(summary.estimates, [&skipped](int32_t prompt) { return skipped.contains(prompt); });
  return MakeJobStatistics(*store_, job_.number, prepared_, summary, *backend_, [this] { return GoOn(); });
}

}  // namespace ablate
