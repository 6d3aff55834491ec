// How a job's prompts go through the engine into the store.
#include <algorithm>
#include <utility>

#include "absl/time/clock.h"
#include "server/jobs/job_run.h"
#include "spdlog/spdlog.h"

namespace ablate {
namespace {

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

absl::flat_hash_set<int32_t> JobRun::Skipped(const std::vector<Suspect>& suspects) {
  absl::flat_hash_set<int32_t> skipped;
  for (const Suspect& suspect : suspects) {
    if (!suspect.skip_reason.empty()) skipped.insert(suspect.prompt);
  }
  return skipped;
}

JobSinkOptions JobRun::SinkOptions() const {
  JobSinkOptions options;
  options.max_waiting_bytes = backend_->max_stream_bytes;
  options.abandoned = stopped_;
  options.ledger = &store_->ledger();
  options.job = job_.number;
  return options;
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

}  // namespace ablate
