// How a job's prompts go through the engine into the store.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "server/jobs/job_run.h"
#include "server/jobs/pause.h"
#include "server/quote.h"
#include "spdlog/spdlog.h"

namespace ablate {
namespace {

constexpr size_t kMaxReasonBytes = 300;

// Index of a request's prompt in the job.
int32_t InJob(const JobSinkOptions& sink, int32_t prompt) {
  return sink.prompt_of.empty() ? prompt : sink.prompt_of[static_cast<size_t>(prompt)];
}

// Of those, the one that costs least.
int32_t Cheapest(const PreparedRequest& prepared, const JobSinkOptions& sink, const std::vector<int32_t>& prompts) {
  absl::flat_hash_map<int32_t, int64_t> cost;
  for (const ScanUnit& unit : prepared.units) cost[InJob(sink, unit.prompt)] += unit.cost;
  return *std::min_element(prompts.begin(), prompts.end(), [&](int32_t a, int32_t b) { return cost[a] < cost[b]; });
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
  options.abandoned = options_.stopped;
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
    options_.make_room();
    if (!Pause(pause, options_.stopped)) return GoOn();
    pause = std::min(2 * pause, absl::Seconds(30));
  }
}

absl::Status JobRun::SetAside(std::vector<std::pair<int32_t, std::string>>& prompts) {
  for (const auto& [prompt, why] : prompts) {
    spdlog::error("job {}: prompt {} is set aside: {}", job_.job.id(), prompt, why);
    const absl::Status kept = Persist([&] { return store_->SetAside(job_.number, prompt, why); });
    if (!kept.ok()) return kept;
  }
  prompts.clear();
  hub_->Changed(job_.number);
  return absl::OkStatus();
}

absl::Status JobRun::RunPart(const PreparedRequest& prepared, const Part& part, const JobSinkOptions& sink,
                             const Store& store) {
  const absl::flat_hash_set<int32_t> wanted(part.begin(), part.end());
  PreparedRequest some = prepared;
  some.units.clear();
  some.cost = 0;
  for (const ScanUnit& unit : prepared.units) {
    if (!wanted.contains(InJob(sink, unit.prompt))) continue;
    some.units.push_back(unit);
    some.cost += unit.cost;
  }
  return RunUnits(std::move(some), sink, store);
}

absl::Status JobRun::RunInHalves(const PreparedRequest& prepared, std::deque<Part> parts, std::vector<int32_t> good,
                                 const JobSinkOptions& sink, const Store& store) {
  std::vector<std::pair<int32_t, std::string>> failed;
  absl::Status error;
  while (!parts.empty()) {
    Part left = std::move(parts.front());
    parts.pop_front();
    const bool is_alone = left.size() == 1;
    absl::flat_hash_set<int32_t> stored;
    const absl::Status ran = RunPart(prepared, left, sink, [&](const std::vector<PromptResults>& results) {
      absl::Status kept = store(results);
      for (const PromptResults& prompt : results) {
        if (kept.ok()) stored.insert(prompt.prompt);
      }
      return kept;
    });
    if (!ran.ok() && !IsEngineError(ran)) return ran;
    good.insert(good.end(), stored.begin(), stored.end());
    const absl::Status aside = stored.empty() ? absl::OkStatus() : SetAside(failed);
    if (!aside.ok()) return aside;
    if (ran.ok()) continue;
    error = ran;
    std::erase_if(left, [&](int32_t prompt) { return stored.contains(prompt); });
    if (is_alone) {
      for (const int32_t prompt : left) failed.emplace_back(prompt, Truncated(ran.message(), kMaxReasonBytes));
      continue;
    }
    const auto middle = left.begin() + static_cast<std::ptrdiff_t>(left.size() / 2);
    for (Part half : {Part(middle, left.end()), Part(left.begin(), middle)}) {
      if (!half.empty()) parts.push_front(std::move(half));
    }
  }
  if (failed.empty()) return absl::OkStatus();
  is_hopeless_ = good.empty();
  if (is_hopeless_) return error;
  const absl::Status ran = RunPart(prepared, {Cheapest(prepared, sink, good)}, sink, nullptr);
  return ran.ok() ? SetAside(failed) : ran;
}

absl::Status JobRun::Probe() {
  const EngineInfo& info = backend_->engine->Describe();
  PreparedRequest probe;
  probe.shape = {.n_layers = info.n_layers, .n_heads = info.n_heads};
  PreparedPrompt& prompt = probe.prompts.emplace_back();
  prompt.token_ids = {0};
  prompt.read_positions = {0};
  probe.replacements.resize(1);
  probe.units.push_back({.cost = info.n_layers});
  JobSinkOptions sink = SinkOptions();
  sink.prompt_of = {kWholeJob};
  sink.encode = [](const AssembledRows& /*rows*/) { return std::vector<std::string>(); };
  return RunUnits(std::move(probe), sink, nullptr);
}

absl::Status JobRun::RunPrompts(const std::shared_ptr<const PreparedRequest>& prepared,
                                const std::vector<int32_t>& done, const JobSinkOptions& sink, const Store& store) {
  const auto suspects = store_->Suspects(job_.number);
  if (!suspects.ok()) return suspects.status();
  absl::flat_hash_set<int32_t> over(done.begin(), done.end());
  over.merge(Skipped(*suspects));
  absl::flat_hash_set<int32_t> suspected;
  for (const Suspect& suspect : *suspects) suspected.insert(suspect.prompt);
  std::deque<Part> parts;
  Part together;
  for (size_t p = 0; p < prepared->prompts.size(); ++p) {
    const int32_t prompt = InJob(sink, static_cast<int32_t>(p));
    if (over.contains(prompt)) continue;
    if (suspected.contains(prompt)) {
      parts.push_back({prompt});
    } else {
      together.push_back(prompt);
    }
  }
  parts.push_back(std::move(together));
  if (options_.in_halves) return RunInHalves(*prepared, std::move(parts), done, sink, store);
  for (const Part& part : parts) {
    const absl::Status ran = RunPart(*prepared, part, sink, store);
    if (!ran.ok()) return ran;
  }
  return absl::OkStatus();
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
  auto since = std::chrono::steady_clock::now();
  while (true) {
    const JobSink::Ready ready = sink->Await();
    if (store && !ready.results.empty() && status.ok()) {
      status = Persist([&] { return store(ready.results); });
      hub_->Changed(job_.number);
      int64_t cost = 0;
      for (const PromptResults& prompt : ready.results) cost += prompt.cost;
      const auto now = std::chrono::steady_clock::now();
      options_.measured(cost, absl::FromChrono(now - std::exchange(since, now)));
    }
    sink->Stored(ready.results);
    backend_->scheduler->Wake();
    if (!ready.ended.has_value()) continue;
    if (!status.ok()) return status;
    return options_.stopped() ? GoOn() : *ready.ended;
  }
}

}  // namespace ablate
