// What the parts of the job store share.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "SQLiteCpp/Column.h"
#include "SQLiteCpp/Database.h"
#include "SQLiteCpp/Statement.h"
#include "SQLiteCpp/VariadicBind.h"
#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "server/jobs/crash_ledger.h"
#include "server/jobs/folder_lock.h"
#include "server/jobs/job_columns.h"
#include "server/jobs/job_store.h"
#include "server/jobs/sql_status.h"
#include "server/quote.h"

namespace ablate {

inline constexpr const char* kJobStore = "the job store";

struct JobStore::Impl {
  Impl(FolderLock held, CrashLedger open_ledger, const std::string& path)
      : lock(std::move(held)),
        ledger(std::move(open_ledger)),
        writer(path, SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE),
        reader(path, SQLite::OPEN_READWRITE) {}

  FolderLock lock;
  CrashLedger ledger;
  absl::Mutex write_mu;
  SQLite::Database writer ABSL_GUARDED_BY(write_mu);
  mutable absl::Mutex read_mu;
  mutable SQLite::Database reader ABSL_GUARDED_BY(read_mu);
};

inline int64_t NowMs() {
  return absl::ToUnixMillis(absl::Now());
}

// "1, 2": the states of jobs that may run.
inline std::string OpenStates() {
  return absl::StrCat(static_cast<int>(ablation::v1::JOB_STATE_QUEUED), ", ",
                      static_cast<int>(ablation::v1::JOB_STATE_RUNNING));
}

inline absl::Status NoSuchJob(absl::string_view id) {
  return absl::NotFoundError(absl::StrCat("there is no job ", Quoted(id)));
}

// Throw as SQLiteCpp does; in or out of a transaction.
// The row has kJobColumns.
StoredJob ReadJob(SQLite::Database& database, const SQLite::Statement& row);
absl::StatusOr<StoredJob> FindJob(SQLite::Database& database, absl::string_view tenant, absl::string_view id);
absl::StatusOr<StoredJob> FindJob(SQLite::Database& database, int64_t number);
// It has not ended.
void EndJob(SQLite::Database& database, int64_t number, ablation::v1::JobState state,
            const ablation::v1::JobError& error);
// Whoever ran when the process before this one died. One that is noted again counts again.
void BlameRunning(SQLite::Database& database, const Wreck& wreck);
// The results' places go on where the job's end. Aborted where the job has ended.
absl::Status AppendMessages(SQLite::Database& database, int64_t number, absl::Span<const std::string> messages);

}  // namespace ablate
