// How a job comes into the store.
#include <array>
#include <utility>

#include "SQLiteCpp/Transaction.h"
#include "engine/files/sha256.h"
#include "server/jobs/job_store_impl.h"
#include "server/random_id.h"

namespace ablate {
namespace {

namespace pb = ::ablation::v1;

absl::StatusOr<std::string> DigestOf(const NewJob& job) {
  const auto bytes = [](const std::string& text) {
    return absl::Span<const uint8_t>(reinterpret_cast<const uint8_t*>(text.data()), text.size());
  };
  const std::array<absl::Span<const uint8_t>, 2> pieces = {bytes(job.request), bytes(job.display_name)};
  return Sha256Hex(pieces);
}

// The job of this request_id, where it is the same request.
absl::StatusOr<std::optional<StoredJob>> Replay(SQLite::Database& database, const NewJob& job,
                                                const std::string& digest) {
  if (job.request_id.empty()) return std::nullopt;
  SQLite::Statement find(database, "SELECT number, request_sha256 FROM jobs WHERE tenant = ? AND request_id = ?");
  find.bind(1, job.tenant);
  find.bind(2, job.request_id);
  if (!find.executeStep()) return std::nullopt;
  if (find.getColumn(1).getString() != digest) {
    return absl::InvalidArgumentError(
        absl::StrCat("the job of request_id `", job.request_id, "` is another request; expected a new UUID"));
  }
  auto found = FindJob(database, find.getColumn(0).getInt64());
  if (!found.ok()) return found.status();
  return std::optional<StoredJob>(*std::move(found));
}

}  // namespace

absl::StatusOr<std::optional<StoredJob>> JobStore::FindReplay(const NewJob& job) const {
  const auto digest = DigestOf(job);
  if (!digest.ok()) return digest.status();
  return CaughtSql(kJobStore, [&] {
    absl::MutexLock lock(&impl_->read_mu);
    return Replay(impl_->reader, job, *digest);
  });
}

absl::StatusOr<StoredJob> JobStore::Submit(const NewJob& job, int64_t max_open) {
  const auto digest = DigestOf(job);
  if (!digest.ok()) return digest.status();
  return CaughtSql(kJobStore, [&]() -> absl::StatusOr<StoredJob> {
    absl::MutexLock lock(&impl_->write_mu);
    SQLite::Database& database = impl_->writer;
    SQLite::Transaction transaction(database);
    auto replay = Replay(database, job, *digest);
    if (!replay.ok()) return replay.status();
    if (replay->has_value()) return **std::move(replay);
    SQLite::Statement open(
        database, absl::StrCat("SELECT count(*) FROM jobs WHERE tenant = ? AND state IN (", OpenStates(), ")"));
    open.bind(1, job.tenant);
    open.executeStep();
    if (const int64_t jobs = open.getColumn(0).getInt64(); jobs >= max_open) {
      return absl::ResourceExhaustedError(
          absl::StrCat(jobs, " jobs have not ended, expected fewer than ", max_open, " before another is submitted"));
    }
    SQLite::Statement insert(
        database,
        "INSERT INTO jobs (id, tenant, request_id, display_name, request_sha256, weights_sha256, state, "
        "created_ms, n_prompts, cost, request_bytes) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    SQLite::bind(insert, RandomId(), job.tenant, job.request_id, job.display_name, *digest, job.weights_sha256,
                 static_cast<int>(pb::JOB_STATE_QUEUED), NowMs(), job.n_prompts, job.cost,
                 static_cast<int64_t>(job.request.size()));
    insert.exec();
    const int64_t number = database.getLastInsertRowid();
    SQLite::Statement keep(database, "INSERT INTO requests (job, request) VALUES (?, ?)");
    keep.bind(1, number);
    keep.bindNoCopy(2, job.request.data(), static_cast<int>(job.request.size()));
    keep.exec();
    auto stored = FindJob(database, number);
    transaction.commit();
    return stored;
  });
}

}  // namespace ablate
