// What changes a job that is there.
#include <algorithm>
#include <utility>

#include "SQLiteCpp/Transaction.h"
#include "absl/strings/str_join.h"
#include "server/jobs/job_store_impl.h"

namespace ablate {
namespace {

namespace pb = ::ablation::v1;

int64_t BytesOf(absl::Span<const std::string> messages) {
  int64_t bytes = 0;
  for (const std::string& message : messages) bytes += static_cast<int64_t>(message.size());
  return bytes;
}

// What prompts took is added to what the job has taken.
void AddToJob(SQLite::Database& database, int64_t number, absl::Span<const PromptResults> prompts) {
  int64_t cost = 0;
  EngineUse use;
  for (const PromptResults& prompt : prompts) {
    cost += prompt.cost;
    use.Add(prompt.use);
  }
  SQLite::Statement add(database,
                        "UPDATE jobs SET cost_done = cost_done + ?, plan_ns = plan_ns + ?, forward_ns = forward_ns + "
                        "?, readout_ns = readout_ns + ?, forward_passes = forward_passes + ?, peak_bytes = "
                        "max(peak_bytes, ?) WHERE number = ?");
  SQLite::bind(add, cost, use.plan_ns, use.forward_ns, use.readout_ns, use.forward_passes, use.peak_bytes, number);
  add.exec();
}

}  // namespace

void EndJob(SQLite::Database& database, int64_t number, pb::JobState state, const pb::JobError& error) {
  // Where the clock was set back, no time is before the one that led to it.
  SQLite::Statement end(database,
                        "UPDATE jobs SET state = ?, ended_ms = max(?, created_ms, started_ms), error_code = ?, "
                        "error_reason = ?, error_message = ?, request_bytes = 0 WHERE number = ?");
  SQLite::bind(end, static_cast<int>(state), NowMs(), error.code(), error.reason(), error.message(), number);
  end.exec();
  // Nobody runs it again; a request_id is told by its digest.
  for (const char* table : {"requests", "prompts_done", "choices"}) {
    database.exec(absl::StrCat("DELETE FROM ", table, " WHERE job = ", number));
  }
  database.exec(absl::StrCat("DELETE FROM crashes WHERE skip_reason = '' AND job = ", number));
}

absl::Status AppendMessages(SQLite::Database& database, int64_t number, absl::Span<const std::string> messages) {
  SQLite::Statement find(database, "SELECT n_results, state FROM jobs WHERE number = ?");
  find.bind(1, number);
  if (!find.executeStep() || IsFinal(static_cast<pb::JobState>(find.getColumn(1).getInt()))) {
    return absl::AbortedError("the job has ended");
  }
  int64_t place = find.getColumn(0).getInt64();
  SQLite::Statement insert(database, "INSERT INTO results (job, place, message) VALUES (?, ?, ?)");
  for (const std::string& message : messages) {
    insert.bind(1, number);
    insert.bind(2, place++);
    insert.bindNoCopy(3, message.data(), static_cast<int>(message.size()));
    insert.exec();
    insert.reset();
  }
  SQLite::Statement count(database, "UPDATE jobs SET n_results = ?, result_bytes = result_bytes + ? WHERE number = ?");
  SQLite::bind(count, place, BytesOf(messages), number);
  count.exec();
  return absl::OkStatus();
}

absl::StatusOr<StoredJob> JobStore::Cancel(absl::string_view tenant, absl::string_view id) {
  return CaughtSql(kJobStore, [&]() -> absl::StatusOr<StoredJob> {
    absl::MutexLock lock(&impl_->write_mu);
    SQLite::Transaction transaction(impl_->writer);
    auto job = FindJob(impl_->writer, tenant, id);
    if (!job.ok() || IsFinal(job->job.state())) return job;
    EndJob(impl_->writer, job->number, pb::JOB_STATE_CANCELLED, {});
    job = FindJob(impl_->writer, tenant, id);
    transaction.commit();
    return job;
  });
}

absl::Status JobStore::MarkRunning(int64_t number, absl::string_view runs_as) {
  return CaughtSql(kJobStore, [&]() -> absl::Status {
    absl::MutexLock lock(&impl_->write_mu);
    SQLite::Transaction transaction(impl_->writer);
    const auto job = FindJob(impl_->writer, number);
    if (!job.ok() || IsFinal(job->job.state())) return absl::AbortedError("the job has ended");
    if (!job->runs_as.empty() && job->runs_as != runs_as) {
      return absl::AbortedError(absl::StrCat("the job was begun in ", job->runs_as));
    }
    const bool is_first = job->job.started_unix_ms() == 0;
    SQLite::Statement mark(impl_->writer, "UPDATE jobs SET state = ?, started_ms = ?, runs_as = ? WHERE number = ?");
    SQLite::bind(mark, static_cast<int>(pb::JOB_STATE_RUNNING),
                 is_first ? std::max(NowMs(), job->job.created_unix_ms()) : job->job.started_unix_ms(),
                 std::string(runs_as), number);
    mark.exec();
    if (is_first) {
      SQLite::Statement turn(impl_->writer,
                             "INSERT INTO tenants (tenant, turn) SELECT ?, 1 + coalesce(max(turn), 0) FROM tenants "
                             "WHERE true ON CONFLICT DO UPDATE SET turn = excluded.turn");
      turn.bind(1, job->tenant);
      turn.exec();
    }
    transaction.commit();
    return absl::OkStatus();
  });
}

absl::Status JobStore::AddChoices(int64_t number, absl::Span<const PromptResults> choices) {
  return CaughtSql(kJobStore, [&]() -> absl::Status {
    absl::MutexLock lock(&impl_->write_mu);
    SQLite::Transaction transaction(impl_->writer);
    const auto job = FindJob(impl_->writer, number);
    if (!job.ok() || IsFinal(job->job.state())) return absl::AbortedError("the job has ended");
    SQLite::Statement insert(impl_->writer, "INSERT INTO choices (job, prompt, message) VALUES (?, ?, ?)");
    for (const PromptResults& choice : choices) {
      const std::string joined = absl::StrJoin(choice.messages, "");
      insert.bind(1, number);
      insert.bind(2, choice.prompt);
      insert.bindNoCopy(3, joined.data(), static_cast<int>(joined.size()));
      insert.exec();
      insert.reset();
    }
    AddToJob(impl_->writer, number, choices);
    transaction.commit();
    return absl::OkStatus();
  });
}

absl::Status JobStore::AddHead(int64_t number, absl::Span<const std::string> messages, int64_t cost) {
  return CaughtSql(kJobStore, [&]() -> absl::Status {
    absl::MutexLock lock(&impl_->write_mu);
    SQLite::Transaction transaction(impl_->writer);
    const absl::Status added = AppendMessages(impl_->writer, number, messages);
    if (!added.ok()) return added;
    SQLite::Statement price(impl_->writer, "UPDATE jobs SET cost = ? WHERE number = ?");
    SQLite::bind(price, cost, number);
    price.exec();
    transaction.commit();
    return absl::OkStatus();
  });
}

absl::Status JobStore::AddResults(int64_t number, absl::Span<const PromptResults> results) {
  return CaughtSql(kJobStore, [&]() -> absl::Status {
    absl::MutexLock lock(&impl_->write_mu);
    SQLite::Transaction transaction(impl_->writer);
    // A prompt that is there already breaks the key, and with it the transaction.
    SQLite::Statement done(impl_->writer, "INSERT INTO prompts_done (job, prompt) VALUES (?, ?)");
    for (const PromptResults& prompt : results) {
      const absl::Status added = AppendMessages(impl_->writer, number, prompt.messages);
      if (!added.ok()) return added;
      SQLite::bind(done, number, prompt.prompt);
      done.exec();
      done.reset();
    }
    SQLite::Statement count(impl_->writer, "UPDATE jobs SET prompts_done = prompts_done + ? WHERE number = ?");
    SQLite::bind(count, static_cast<int64_t>(results.size()), number);
    count.exec();
    AddToJob(impl_->writer, number, results);
    transaction.commit();
    return absl::OkStatus();
  });
}

absl::Status JobStore::Finish(int64_t number, pb::JobState state, const pb::JobError& error,
                              absl::Span<const std::string> messages) {
  return CaughtSql(kJobStore, [&]() -> absl::Status {
    absl::MutexLock lock(&impl_->write_mu);
    SQLite::Transaction transaction(impl_->writer);
    const absl::Status added = AppendMessages(impl_->writer, number, messages);
    if (!added.ok()) return added;
    EndJob(impl_->writer, number, state, error);
    transaction.commit();
    return absl::OkStatus();
  });
}

}  // namespace ablate
