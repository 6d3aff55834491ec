#include "server/jobs/job_store.h"

#include <filesystem>
#include <set>
#include <utility>

#include "SQLiteCpp/Transaction.h"
#include "server/jobs/job_schema.h"
#include "server/jobs/job_store_impl.h"
#include "spdlog/spdlog.h"

namespace ablate {
namespace {

namespace fs = std::filesystem;
namespace pb = ::ablation::v1;

absl::Status Unusable(const std::string& path, absl::string_view why) {
  return absl::FailedPreconditionError(absl::StrCat("cannot use the job store ", path, ": ", why));
}

absl::Status CheckSound(SQLite::Database& database) {
  const std::string verdict = database.execAndGet("PRAGMA quick_check(1)").getString();
  return verdict == "ok" ? absl::OkStatus() : absl::DataLossError(verdict);
}

absl::Status SetUp(SQLite::Database& writer, SQLite::Database& reader, int64_t max_pages) {
  constexpr int kBusyMs = 10'000;
  writer.setBusyTimeout(kBusyMs);
  reader.setBusyTimeout(kBusyMs);
  // In an empty file alone: what deleted jobs leave goes back to the disk piece by piece.
  writer.exec("PRAGMA auto_vacuum = INCREMENTAL");
  writer.exec("PRAGMA journal_mode = WAL");
  writer.exec("PRAGMA synchronous = FULL");
  if (max_pages > 0) writer.exec(absl::StrCat("PRAGMA max_page_count = ", max_pages));
  const absl::Status sound = CheckSound(writer);
  return sound.ok() ? MigrateJobSchema(writer) : sound;
}

// Whoever ran when the process before this one died. One that is noted again counts again.
void BlameRunning(SQLite::Database& database, const Wreck& wreck) {
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
  constexpr int kMostCrashes = 2;
  // Nobody can tell the kernel's OOM killer from an operator's hand; so many times it was hardly the latter.
  constexpr int kMostKills = 5;
  database.exec(absl::StrCat(
      "UPDATE crashes SET skip_reason = CASE WHEN alone > 0 AND alone + together >= ", kMostCrashes,
      " THEN 'the server crashed ' || (alone + together) || ' times while it ran this prompt, the last time alone' ",
      "WHEN killed >= ", kMostKills,
      " THEN 'the server was killed ' || killed || ' times while it ran this prompt alone' ", "ELSE '' END"));
}

// What the process before this one left.
void SettleAfter(const Wreck& wreck, SQLite::Database& database) {
  SQLite::Transaction transaction(database);
  // Nobody runs one now, and perhaps nobody will: this server may hold another model.
  database.exec(absl::StrCat("UPDATE jobs SET state = ", static_cast<int>(pb::JOB_STATE_QUEUED),
                             " WHERE state = ", static_cast<int>(pb::JOB_STATE_RUNNING)));
  if (!wreck.running.empty()) BlameRunning(database, wreck);
  transaction.commit();
}

}  // namespace

absl::StatusOr<StoredJob> FindJob(SQLite::Database& database, absl::string_view tenant, absl::string_view id) {
  SQLite::Statement find(database, absl::StrCat("SELECT ", kJobColumns, " FROM jobs WHERE tenant = ? AND id = ?"));
  find.bind(1, std::string(tenant));
  find.bind(2, std::string(id));
  if (!find.executeStep()) return NoSuchJob(id);
  StoredJob found{.number = 0, .tenant = std::string(tenant), .job = {}};
  found.job = JobOf(find, &found.number);
  SQLite::Statement skipped(database, "SELECT prompt, skip_reason FROM crashes WHERE job = ? AND skip_reason != ''");
  skipped.bind(1, found.number);
  while (skipped.executeStep()) {
    pb::SkippedPrompt& prompt = *found.job.add_skipped_prompts();
    prompt.set_prompt_index(skipped.getColumn(0).getInt());
    prompt.set_reason(skipped.getColumn(1).getString());
  }
  return found;
}

absl::StatusOr<StoredJob> FindJob(SQLite::Database& database, int64_t number) {
  SQLite::Statement find(database, "SELECT tenant, id FROM jobs WHERE number = ?");
  find.bind(1, number);
  if (!find.executeStep()) return absl::NotFoundError("the job was deleted");
  return FindJob(database, find.getColumn(0).getString(), find.getColumn(1).getString());
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
  if (error) return Unusable(path, error.message());
  auto lock = FolderLock::Take(options.folder);
  if (!lock.ok()) return Unusable(path, lock.status().message());
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
    SQLite::Statement list(impl_->reader, absl::StrCat("SELECT id FROM jobs WHERE tenant = ? AND number < ?", filter,
                                                       " ORDER BY number DESC LIMIT ?"));
    SQLite::bind(list, std::string(tenant), before, page_size + 1);
    JobPage page;
    while (list.executeStep()) {
      if (page.jobs.size() == static_cast<size_t>(page_size)) {
        page.has_more = true;
        break;
      }
      auto job = FindJob(impl_->reader, tenant, list.getColumn(0).getString());
      // Deleted between the two.
      if (job.ok()) page.jobs.push_back(*std::move(job));
    }
    return page;
  });
}

}  // namespace ablate
