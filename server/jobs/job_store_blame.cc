// Prompts and jobs that bring the server down, or with which the engine fails.
#include <set>
#include <utility>

#include "server/jobs/job_store_impl.h"

namespace ablate {
namespace {

namespace pb = ::ablation::v1;

constexpr int kMostCrashes = 2;
// Nobody can tell whom the kernel's OOM killer was after; so many times it was hardly another's doing.
constexpr int kMostKills = 5;

void CountDeaths(SQLite::Database& database, const Wreck& wreck) {
  // A prompt of several scans is noted for each of them.
  const std::set<std::pair<int64_t, int32_t>> running(wreck.running.begin(), wreck.running.end());
  const bool alone = running.size() == 1;
  const char* column = alone ? (wreck.signal != 0 ? "alone" : "killed") : "together";
  SQLite::Statement blame(database,
                          absl::StrCat("INSERT INTO crashes (job, prompt, ", column, ") SELECT number, ?, 1 FROM jobs ",
                                       "WHERE number = ? ON CONFLICT DO UPDATE SET ", column, " = ", column, " + 1"));
  for (const auto& [job, prompt] : running) {
    blame.bind(1, prompt);
    blame.bind(2, job);
    blame.exec();
    blame.reset();
  }
}

// Those that would go on like this for ever, outside of their prompts.
void EndCrashed(SQLite::Database& database) {
  SQLite::Statement crashed(
      database, absl::StrCat("SELECT number, skip_reason FROM jobs JOIN crashes ON job = number WHERE ",
                             "prompt = ", kWholeJob, " AND skip_reason != '' AND state IN (", OpenStates(), ")"));
  std::vector<std::pair<int64_t, std::string>> jobs;
  while (crashed.executeStep()) jobs.emplace_back(crashed.getColumn(0).getInt64(), crashed.getColumn(1).getString());
  for (const auto& [number, why] : jobs) {
    pb::JobError error;
    error.set_code(static_cast<int>(absl::StatusCode::kInternal));
    error.set_reason("SERVER_CRASHED");
    error.set_message(why);
    EndJob(database, number, pb::JOB_STATE_FAILED, error);
  }
}

}  // namespace

void BlameRunning(SQLite::Database& database, const Wreck& wreck) {
  CountDeaths(database, wreck);
  const std::string what =
      absl::StrCat(" || ' times while it ' || CASE prompt WHEN ", kWholeJob,
                   " THEN 'prepared this job or made its statistics' ELSE 'ran this prompt' END || ");
  database.exec(absl::StrCat(
      "UPDATE crashes SET skip_reason = CASE WHEN alone > 0 AND alone + together >= ", kMostCrashes,
      " THEN 'the server crashed ' || (alone + together)", what, "', the last time alone' WHEN killed >= ", kMostKills,
      " THEN 'the server was killed ' || killed", what, "' alone' ELSE skip_reason END"));
  EndCrashed(database);
}

absl::Status JobStore::SetAside(int64_t number, int32_t prompt, absl::string_view reason) {
  return CaughtSql(kJobStore, [&]() -> absl::Status {
    absl::MutexLock lock(&impl_->write_mu);
    SQLite::Statement set(
        impl_->writer,
        absl::StrCat("INSERT INTO crashes (job, prompt, skip_reason) SELECT number, ?, ? FROM jobs WHERE ",
                     "number = ? AND state IN (", OpenStates(),
                     ") ON CONFLICT DO UPDATE SET skip_reason = excluded.skip_reason"));
    SQLite::bind(set, prompt, std::string(reason), number);
    return set.exec() == 1 ? absl::OkStatus() : absl::AbortedError("the job has ended");
  });
}

}  // namespace ablate
