// What the runner and the streams of results read.
#include <utility>

#include "server/jobs/job_store_impl.h"

namespace ablate {
namespace {

std::string BlobOf(const SQLite::Column& column) {
  return std::string(static_cast<const char*>(column.getBlob()), static_cast<size_t>(column.getBytes()));
}

}  // namespace

absl::StatusOr<ResultPage> JobStore::ReadResults(int64_t number, int64_t offset, int64_t max_bytes) const {
  return CaughtSql(kJobStore, [&]() -> absl::StatusOr<ResultPage> {
    absl::MutexLock lock(&impl_->read_mu);
    // The job first: what it counts is there when the messages are read.
    auto job = FindJob(impl_->reader, number);
    if (!job.ok()) return job.status();
    ResultPage page;
    page.job = std::move(job->job);
    SQLite::Statement read(impl_->reader,
                           "SELECT message FROM results WHERE job = ? AND place >= ? AND place < ? ORDER BY place");
    SQLite::bind(read, number, offset, page.job.n_results());
    int64_t bytes = 0;
    while (bytes < max_bytes && read.executeStep()) {
      page.messages.push_back(BlobOf(read.getColumn(0)));
      bytes += static_cast<int64_t>(page.messages.back().size());
    }
    return page;
  });
}

absl::StatusOr<JobStore::Ahead> JobStore::JobsAhead(int64_t number) const {
  return CaughtSql(kJobStore, [&]() -> absl::StatusOr<Ahead> {
    absl::MutexLock lock(&impl_->read_mu);
    SQLite::Statement count(
        impl_->reader,
        absl::StrCat("SELECT count(*), coalesce(sum(max(0, cost - cost_done)), 0) FROM jobs WHERE state IN (",
                     OpenStates(),
                     ") AND number < ?1 AND weights_sha256 = ", "(SELECT weights_sha256 FROM jobs WHERE number = ?1)"));
    count.bind(1, number);
    count.executeStep();
    return Ahead{.jobs = count.getColumn(0).getInt(), .cost = count.getColumn(1).getInt64()};
  });
}

absl::StatusOr<std::optional<StoredJob>> JobStore::NextToRun(absl::string_view weights_sha256) const {
  return CaughtSql(kJobStore, [&]() -> absl::StatusOr<std::optional<StoredJob>> {
    absl::MutexLock lock(&impl_->read_mu);
    SQLite::Statement find(impl_->reader, absl::StrCat("SELECT number FROM jobs WHERE state IN (", OpenStates(),
                                                       ") AND weights_sha256 = ? ORDER BY number LIMIT 1"));
    find.bind(1, std::string(weights_sha256));
    if (!find.executeStep()) return std::nullopt;
    auto job = FindJob(impl_->reader, find.getColumn(0).getInt64());
    if (!job.ok()) return job.status();
    return std::optional<StoredJob>(*std::move(job));
  });
}

absl::StatusOr<std::string> JobStore::ReadRequest(int64_t number) const {
  return CaughtSql(kJobStore, [&]() -> absl::StatusOr<std::string> {
    absl::MutexLock lock(&impl_->read_mu);
    SQLite::Statement read(impl_->reader, "SELECT request FROM requests WHERE job = ?");
    read.bind(1, number);
    if (!read.executeStep()) return absl::NotFoundError("the job was deleted");
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
