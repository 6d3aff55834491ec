#include "server/jobs/job_store.h"

#include <filesystem>
#include <utility>

#include "SQLiteCpp/Transaction.h"
#include "server/jobs/job_schema.h"
#include "server/jobs/job_store_impl.h"
#include "spdlog/spdlog.h"

namespace ablate {
namespace {

namespace fs = std::filesystem;
namespace pb = ::ablation::v1;

absl::Status Unusable(const std::string& path, absl::string_view why,
                      absl::StatusCode code = absl::StatusCode::kFailedPrecondition) {
  return absl::Status(code, absl::StrCat("cannot use the job store ", path, ": ", why));
}

absl::Status CheckSound(SQLite::Database& database) {
  const std::string verdict = database.execAndGet("PRAGMA quick_check(1)").getString();
  return verdict == "ok" ? absl::OkStatus() : absl::DataLossError(verdict);
}

absl::Status SetUp(SQLite::Database& writer, SQLite::Database& reader, int64_t max_pages) {
  constexpr int kBusyMs = 10'000;
  writer.setBusyTimeout(kBusyMs);
  reader.setBusyTimeout(kBusyMs);
  // Whose file it is comes before anything is written to it.
  absl::Status usable = CheckJobSchema(writer);
  if (usable.ok()) usable = CheckSound(writer);
  if (!usable.ok()) return usable;
  // In an empty file alone: what deleted jobs leave goes back to the disk piece by piece.
  writer.exec("PRAGMA auto_vacuum = INCREMENTAL");
  const std::string mode = writer.execAndGet("PRAGMA journal_mode = WAL").getString();
  if (mode != "wal") {
    return absl::FailedPreconditionError(absl::StrCat("SQLite keeps no write-ahead log there, but the journal `", mode,
                                                      "`: put --jobs-dir on a local disk"));
  }
  writer.exec("PRAGMA synchronous = FULL");
  if (max_pages > 0) writer.exec(absl::StrCat("PRAGMA max_page_count = ", max_pages));
  return MigrateJobSchema(writer);
}

// What the process before this one left.
void SettleAfter(const Wreck& wreck, SQLite::Database& database) {
  SQLite::Transaction transaction(database);
  // Nobody runs one now, and perhaps nobody will: this server may hold another model.
  database.exec(absl::StrCat("UPDATE jobs SET state = ", static_cast<int>(pb::JOB_STATE_QUEUED),
                             " WHERE state = ", static_cast<int>(pb::JOB_STATE_RUNNING)));
  // Of what nothing is stored yet is begun anew, by any engine.
  database.exec("UPDATE jobs SET runs_as = '' WHERE n_results = 0 AND cost_done = 0");
  if (!wreck.running.empty()) BlameRunning(database, wreck);
  transaction.commit();
}

}  // namespace

StoredJob ReadJob(SQLite::Database& database, const SQLite::Statement& row) {
  StoredJob found = StoredJobOf(row);
  SQLite::Statement skipped(
      database, "SELECT prompt, skip_reason FROM crashes WHERE job = ? AND prompt >= 0 AND skip_reason != ''");
  skipped.bind(1, found.number);
  while (skipped.executeStep()) {
    pb::SkippedPrompt& prompt = *found.job.add_skipped_prompts();
    prompt.set_prompt_index(skipped.getColumn(0).getInt());
    prompt.set_reason(skipped.getColumn(1).getString());
  }
  return found;
}

absl::StatusOr<StoredJob> FindJob(SQLite::Database& database, absl::string_view tenant, absl::string_view id) {
  SQLite::Statement find(database, absl::StrCat("SELECT ", kJobColumns, " FROM jobs WHERE tenant = ? AND id = ?"));
  find.bind(1, std::string(tenant));
  find.bind(2, std::string(id));
  if (!find.executeStep()) return NoSuchJob(id);
  return ReadJob(database, find);
}

absl::StatusOr<StoredJob> FindJob(SQLite::Database& database, int64_t number) {
  SQLite::Statement find(database, absl::StrCat("SELECT ", kJobColumns, " FROM jobs WHERE number = ?"));
  find.bind(1, number);
  if (!find.executeStep()) return absl::NotFoundError("the job was deleted");
  return ReadJob(database, find);
}

JobStore::JobStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
JobStore::~JobStore() = default;

CrashLedger& JobStore::ledger() {
  return impl_->ledger;
}

absl::StatusOr<std::unique_ptr<JobStore>> JobStore::Open(const JobStoreOptions& options) {
  const std::string path = (fs::path(options.folder) / "jobs.sqlite").string();
  std::error_code error;
  fs::create_directories(options.folder, error);
  if (error) return Unusable(path, error.message(), absl::StatusCode::kPermissionDenied);
  auto lock = FolderLock::Take(options.folder);
  if (!lock.ok()) return Unusable(path, lock.status().message(), lock.status().code());
  auto ledger = CrashLedger::Open((fs::path(options.folder) / "running").string());
  if (!ledger.ok()) return Unusable(path, ledger.status().message());
  const Wreck wreck = ledger->wreck();
  std::unique_ptr<Impl> impl;
  const absl::Status opened = CaughtSql("SQLite", [&]() -> absl::Status {
    impl = std::make_unique<Impl>(*std::move(lock), *std::move(ledger), path);
    absl::MutexLock write(&impl->write_mu);
    absl::MutexLock read(&impl->read_mu);
    return SetUp(impl->writer, impl->reader, options.max_pages);
  });
  if (absl::IsDataLoss(opened)) {
    return Unusable(
        path, absl::StrCat("it is damaged (", opened.message(), "): move it away, with `", path, "-wal`, to begin ",
                           "anew; `sqlite3 ", path, " .recover` may save what is in it"));
  }
  if (!opened.ok()) return Unusable(path, opened.message());
  const absl::Status settled = CaughtSql(kJobStore, [&]() -> absl::Status {
    absl::MutexLock write(&impl->write_mu);
    SettleAfter(wreck, impl->writer);
    return absl::OkStatus();
  });
  // On a full disk results can still be read.
  if (!settled.ok()) spdlog::error("{}", std::string(settled.message()));
  if (!wreck.running.empty()) {
    spdlog::warn("the server before this one died while it ran {} prompts of jobs", wreck.running.size());
    impl->ledger.Clear();
  }
  return std::unique_ptr<JobStore>(new JobStore(std::move(impl)));
}

absl::StatusOr<StoredJob> JobStore::Get(absl::string_view tenant, absl::string_view id) const {
  return CaughtSql(kJobStore, [&] {
    absl::MutexLock lock(&impl_->read_mu);
    return FindJob(impl_->reader, tenant, id);
  });
}

absl::StatusOr<StoredJob> JobStore::GetByNumber(int64_t number) const {
  return CaughtSql(kJobStore, [&] {
    absl::MutexLock lock(&impl_->read_mu);
    return FindJob(impl_->reader, number);
  });
}

absl::StatusOr<JobPage> JobStore::List(absl::string_view tenant, absl::Span<const pb::JobState> states, int64_t before,
                                       int32_t page_size) const {
  std::string in;
  for (const pb::JobState state : states) absl::StrAppend(&in, in.empty() ? "" : ", ", static_cast<int>(state));
  const std::string filter = in.empty() ? "" : absl::StrCat(" AND state IN (", in, ")");
  return CaughtSql(kJobStore, [&]() -> absl::StatusOr<JobPage> {
    absl::MutexLock lock(&impl_->read_mu);
    SQLite::Statement list(impl_->reader,
                           absl::StrCat("SELECT ", kJobColumns, " FROM jobs WHERE tenant = ? AND number < ?", filter,
                                        " ORDER BY number DESC LIMIT ?"));
    SQLite::bind(list, std::string(tenant), before, page_size + 1);
    JobPage page;
    while (list.executeStep()) {
      if (page.jobs.size() == static_cast<size_t>(page_size)) {
        page.has_more = true;
        break;
      }
      page.jobs.push_back(ReadJob(impl_->reader, list));
    }
    return page;
  });
}

}  // namespace ablate
