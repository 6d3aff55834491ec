// What the runner and the streams of results read.
#include <utility>

#include "server/jobs/job_store_impl.h"

namespace ablate {
namespace {

std::string BlobOf(const SQLite::Column& column) {
  return std::string(static_cast<const char*>(column.getBlob()), static_cast<size_t>(column.getBytes()));
}

// Numbers and remaining cost of the jobs that such an engine may run, in the order of their turns. A lap is one job of
// each tenant; what has begun is lap 0.
SQLite::Statement Turns(SQLite::Database& database, const JobEngine& engine) {
  SQLite::Statement turns(
      database,
      absl::StrCat(
          "SELECT number, max(0, cost - cost_done), started_ms > 0 AS begun, CASE WHEN started_ms > 0 THEN 0 ELSE ",
          "row_number() OVER one END AS lap, min(number) OVER one AS oldest FROM jobs LEFT JOIN tenants USING ",
          "(tenant) WHERE state IN (", OpenStates(), ") AND weights_sha256 = ? AND runs_as IN ('', ?) ",
          "WINDOW one AS (PARTITION BY tenant, started_ms > 0 ORDER BY number) ",
          "ORDER BY lap, CASE WHEN begun THEN 0 ELSE coalesce(turn, 0) END, oldest, number"));
  SQLite::bind(turns, engine.weights_sha256, engine.runs_as);
  return turns;
}

}  // namespace

absl::StatusOr<ResultPage> JobStore::ReadResults(int64_t number, int64_t offset, int64_t max_bytes) const {
  return CaughtSql(kJobStore, [&]() -> absl::StatusOr<ResultPage> {
    absl::MutexLock lock(&impl_->read_mu);
    // The job first: what it counts is there when the messages are read.
    auto job = FindJob(impl_->reader, number);
    if (!job.ok()) return job.status();
    ResultPage page;
    page.stored = *std::move(job);
    SQLite::Statement read(impl_->reader,
                           "SELECT message FROM results WHERE job = ? AND place >= ? AND place < ? ORDER BY place");
    SQLite::bind(read, number, offset, page.stored.job.n_results());
    int64_t bytes = 0;
    while (bytes < max_bytes && read.executeStep()) {
      page.messages.push_back(BlobOf(read.getColumn(0)));
      bytes += static_cast<int64_t>(page.messages.back().size());
    }
    return page;
  });
}

absl::StatusOr<std::map<int64_t, JobStore::Ahead>> JobStore::Queue(const JobEngine& engine) const {
  return CaughtSql(kJobStore, [&]() -> absl::StatusOr<std::map<int64_t, Ahead>> {
    absl::MutexLock lock(&impl_->read_mu);
    SQLite::Statement turns = Turns(impl_->reader, engine);
    std::map<int64_t, Ahead> queue;
    Ahead ahead;
    while (turns.executeStep()) {
      queue[turns.getColumn(0).getInt64()] = ahead;
      ++ahead.jobs;
      ahead.cost += turns.getColumn(1).getInt64();
    }
    return queue;
  });
}

absl::StatusOr<std::optional<StoredJob>> JobStore::NextToRun(const JobEngine& engine,
                                                             const absl::flat_hash_set<int64_t>& but) const {
  return CaughtSql(kJobStore, [&]() -> absl::StatusOr<std::optional<StoredJob>> {
    absl::MutexLock lock(&impl_->read_mu);
    SQLite::Statement turns = Turns(impl_->reader, engine);
    while (turns.executeStep()) {
      const int64_t number = turns.getColumn(0).getInt64();
      if (but.contains(number)) continue;
      auto job = FindJob(impl_->reader, number);
      if (!job.ok()) return job.status();
      return std::optional<StoredJob>(*std::move(job));
    }
    return std::nullopt;
  });
}

absl::StatusOr<int64_t> JobStore::CountLeftOut(const JobEngine& engine) const {
  return CaughtSql(kJobStore, [&]() -> absl::StatusOr<int64_t> {
    absl::MutexLock lock(&impl_->read_mu);
    SQLite::Statement count(impl_->reader, absl::StrCat("SELECT count(*) FROM jobs WHERE state IN (", OpenStates(),
                                                        ") AND NOT (weights_sha256 = ? AND runs_as IN ('', ?))"));
    SQLite::bind(count, engine.weights_sha256, engine.runs_as);
    count.executeStep();
    return count.getColumn(0).getInt64();
  });
}

absl::StatusOr<std::string> JobStore::ReadRequest(int64_t number) const {
  return CaughtSql(kJobStore, [&]() -> absl::StatusOr<std::string> {
    absl::MutexLock lock(&impl_->read_mu);
    SQLite::Statement read(impl_->reader, "SELECT request FROM requests WHERE job = ?");
    read.bind(1, number);
    if (!read.executeStep()) return absl::CancelledError("the job has ended or was deleted");
    return BlobOf(read.getColumn(0));
  });
}

absl::StatusOr<std::vector<PromptResults>> JobStore::ReadChoices(int64_t number) const {
  return CaughtSql(kJobStore, [&]() -> absl::StatusOr<std::vector<PromptResults>> {
    absl::MutexLock lock(&impl_->read_mu);
    SQLite::Statement read(impl_->reader, "SELECT prompt, message FROM choices WHERE job = ? ORDER BY prompt");
    read.bind(1, number);
    std::vector<PromptResults> choices;
    while (read.executeStep()) {
      choices.push_back({.prompt = read.getColumn(0).getInt(), .cost = 0, .messages = {BlobOf(read.getColumn(1))}});
    }
    return choices;
  });
}

absl::StatusOr<std::vector<int32_t>> JobStore::PromptsDone(int64_t number) const {
  return CaughtSql(kJobStore, [&]() -> absl::StatusOr<std::vector<int32_t>> {
    absl::MutexLock lock(&impl_->read_mu);
    SQLite::Statement read(impl_->reader, "SELECT prompt FROM prompts_done WHERE job = ? ORDER BY prompt");
    read.bind(1, number);
    std::vector<int32_t> done;
    while (read.executeStep()) done.push_back(read.getColumn(0).getInt());
    return done;
  });
}

absl::StatusOr<std::vector<Suspect>> JobStore::Suspects(int64_t number) const {
  return CaughtSql(kJobStore, [&]() -> absl::StatusOr<std::vector<Suspect>> {
    absl::MutexLock lock(&impl_->read_mu);
    SQLite::Statement read(impl_->reader, "SELECT prompt, skip_reason FROM crashes WHERE job = ? ORDER BY prompt");
    read.bind(1, number);
    std::vector<Suspect> suspects;
    while (read.executeStep()) suspects.push_back({read.getColumn(0).getInt(), read.getColumn(1).getString()});
    return suspects;
  });
}

}  // namespace ablate
