// How jobs go: deleted, or expired; and what they leave.
#include <algorithm>
#include <deque>
#include <map>
#include <utility>

#include "SQLiteCpp/Transaction.h"
#include "server/jobs/job_store_impl.h"

namespace ablate {
namespace {

// Its results go with Sweep.
void DropJob(SQLite::Database& database, int64_t number) {
  for (const char* table : {"requests", "prompts_done", "choices", "crashes"}) {
    database.exec(absl::StrCat("DELETE FROM ", table, " WHERE job = ", number));
  }
  database.exec(
      absl::StrCat("INSERT INTO dropped (job) SELECT number FROM jobs WHERE n_results > 0 AND number = ", number));
  database.exec(absl::StrCat("DELETE FROM jobs WHERE number = ", number));
}

// A piece of what deleted jobs have left; false where there is nothing.
bool SweepResults(SQLite::Database& database) {
  constexpr int kResults = 100;
  const int64_t job = database.execAndGet("SELECT coalesce(min(job), 0) FROM dropped").getInt64();
  if (job == 0) return false;
  SQLite::Transaction transaction(database);
  const int gone = database.exec(absl::StrCat(
      "DELETE FROM results WHERE rowid IN (SELECT rowid FROM results WHERE job = ", job, " LIMIT ", kResults, ")"));
  if (gone < kResults) database.exec(absl::StrCat("DELETE FROM dropped WHERE job = ", job));
  transaction.commit();
  return true;
}

struct Ended {
  int64_t number = 0;
  int64_t ended_ms = 0;
  int64_t bytes = 0;
};

// What a tenant has in the store.
struct Holding {
  // Of all its jobs.
  int64_t bytes = 0;
  // The first that ended first.
  std::deque<Ended> ended;
};

std::map<std::string, Holding> ReadHoldings(SQLite::Database& database) {
  std::map<std::string, Holding> holdings;
  SQLite::Statement jobs(database,
                         "SELECT tenant, state, number, ended_ms, result_bytes + request_bytes FROM jobs ORDER BY "
                         "ended_ms, number");
  while (jobs.executeStep()) {
    Holding& holding = holdings[jobs.getColumn(0).getString()];
    const Ended job = {jobs.getColumn(2).getInt64(), jobs.getColumn(3).getInt64(), jobs.getColumn(4).getInt64()};
    holding.bytes += job.bytes;
    if (IsFinal(static_cast<ablation::v1::JobState>(jobs.getColumn(1).getInt()))) holding.ended.push_back(job);
  }
  return holdings;
}

// Takes the job that ended first; its number.
int64_t TakeFirst(Holding& holding) {
  const Ended first = holding.ended.front();
  holding.ended.pop_front();
  holding.bytes -= first.bytes;
  return first.number;
}

// Those that ended before `before_ms`.
void TakeOld(int64_t before_ms, std::map<std::string, Holding>& holdings, std::vector<int64_t>& expired) {
  for (auto& [tenant, holding] : holdings) {
    while (!holding.ended.empty() && holding.ended.front().ended_ms < before_ms) expired.push_back(TakeFirst(holding));
  }
}

// While there are more than `max_bytes`: of who has most of them, one that ended before `before_ms`. Nobody loses any
// to the jobs of others while he has no more than his share.
void TakeLarge(int64_t max_bytes, int64_t before_ms, std::map<std::string, Holding>& holdings,
               std::vector<int64_t>& expired) {
  const int64_t share = max_bytes / std::max<int64_t>(1, static_cast<int64_t>(holdings.size()));
  while (true) {
    int64_t bytes = 0;
    Holding* most = nullptr;
    for (auto& [tenant, holding] : holdings) {
      bytes += holding.bytes;
      const bool has_some = !holding.ended.empty() && holding.ended.front().ended_ms < before_ms;
      const bool may_lose = has_some && holding.bytes > share;
      if (may_lose && (most == nullptr || holding.bytes > most->bytes)) most = &holding;
    }
    if (bytes <= max_bytes || most == nullptr) return;
    expired.push_back(TakeFirst(*most));
  }
}

}  // namespace

absl::Status JobStore::Delete(absl::string_view tenant, absl::string_view id) {
  return CaughtSql(kJobStore, [&]() -> absl::Status {
    absl::MutexLock lock(&impl_->write_mu);
    SQLite::Transaction transaction(impl_->writer);
    const auto job = FindJob(impl_->writer, tenant, id);
    if (!job.ok()) return job.status();
    DropJob(impl_->writer, job->number);
    transaction.commit();
    return absl::OkStatus();
  });
}

absl::StatusOr<bool> JobStore::Sweep() {
  return CaughtSql(kJobStore, [&]() -> absl::StatusOr<bool> {
    absl::MutexLock lock(&impl_->write_mu);
    SQLite::Database& database = impl_->writer;
    if (SweepResults(database)) return true;
    const auto free_pages = [&database] { return database.execAndGet("PRAGMA freelist_count").getInt64(); };
    const int64_t before = free_pages();
    // A step of it frees one page: only to its end does it free them all.
    database.exec("PRAGMA incremental_vacuum(1000)");
    const int64_t after = free_pages();
    return 0 < after && after < before;
  });
}

absl::StatusOr<int64_t> JobStore::Expire(absl::Duration age, int64_t max_bytes, absl::Time now) {
  return CaughtSql(kJobStore, [&]() -> absl::StatusOr<int64_t> {
    absl::MutexLock lock(&impl_->write_mu);
    SQLite::Transaction transaction(impl_->writer);
    auto holdings = ReadHoldings(impl_->writer);
    std::vector<int64_t> expired;
    const int64_t newest =
        impl_->writer.execAndGet("SELECT coalesce(max(max(created_ms, ended_ms)), 0) FROM jobs").getInt64();
    // A clock that was set back, now or for a while, tells no age.
    if (absl::ToUnixMillis(now) >= newest) TakeOld(absl::ToUnixMillis(now - age), holdings, expired);
    TakeLarge(max_bytes, absl::ToUnixMillis(now - kKeptAtLeast), holdings, expired);
    for (const int64_t number : expired) DropJob(impl_->writer, number);
    transaction.commit();
    return static_cast<int64_t>(expired.size());
  });
}

}  // namespace ablate
