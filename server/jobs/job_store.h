// Jobs in an SQLite file (WAL, synchronous=FULL): whatever a call has returned OK for survives the process and the
// machine.
//
// A job's results are a list of messages without gaps, appended in the transaction that marks their prompt as done: no
// prompt is there twice, none half. Readers see what was committed, and never wait for a writer.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ablation/v1/jobs.pb.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "server/engine_use.h"
#include "server/jobs/crash_ledger.h"

namespace ablate {

struct JobStoreOptions {
  // Made where it is missing.
  std::string folder;
  // Most pages of 4 KiB that the file may have: a disk that is full earlier. 0: as many as fit.
  int64_t max_pages = 0;
};

// A job to be accepted.
struct NewJob {
  std::string tenant;
  std::string request_id;
  std::string display_name;
  // AblateRequest, serialised.
  std::string request;
  std::string weights_sha256;
  int32_t n_prompts = 0;
  int64_t cost = 0;
};

// What a server runs jobs with. One that has begun is gone on with by its like only: rows of two kinds would stand
// under one manifest.
struct JobEngine {
  std::string weights_sha256;
  // In words, e.g. `float32 on cpu`; equal where rows may stand together.
  std::string runs_as;
};

// A job as the runner sees it.
struct StoredJob {
  int64_t number = 0;
  std::string tenant;
  ablation::v1::Job job;
  // JobEngine::runs_as of who began it; empty: nobody has, or it is not known.
  std::string runs_as;
  // Of all servers that ran it, in as many goes as it took, up to the last prompt that is stored.
  EngineUse use;
};

// What one prompt came to.
struct PromptResults {
  int32_t prompt = 0;
  // Packed tokens x layers that it took.
  int64_t cost = 0;
  // Of the engine's runs since the prompt that was told before it.
  EngineUse use = {};
  // AblateResponse, serialised.
  std::vector<std::string> messages;
};

// A prompt that the process died with.
struct Suspect {
  int32_t prompt = 0;
  // Not empty: it is set aside.
  std::string skip_reason;
};

struct JobPage {
  std::vector<StoredJob> jobs;
  // There are more behind the last one.
  bool has_more = false;
};

struct ResultPage {
  // AblateResponse, serialised, of the offsets asked for on.
  std::vector<std::string> messages;
  // As it was when the messages were read.
  StoredJob stored;
};

// Thread-safe. Errors: NotFound where there is no such job; Unavailable where the disk is full or fails; DataLoss where
// the file is damaged.
class JobStore {
 public:
  // AlreadyExists where another server uses the folder; PermissionDenied where it cannot be made or written to;
  // FailedPrecondition, with the way out, where the file is damaged, of a newer version or not a job store, which
  // leaves it as it is.
  static absl::StatusOr<std::unique_ptr<JobStore>> Open(const JobStoreOptions& options);
  ~JobStore();

  // For clients: a job of another tenant is not there.

  // A job of the tenant's with this request_id that is the same request is returned as it is; InvalidArgument where it
  // is another one. ResourceExhausted where `max_open` of the tenant's have not ended.
  absl::StatusOr<StoredJob> Submit(const NewJob& job, int64_t max_open = std::numeric_limits<int64_t>::max());
  // The job that Submit would return, if there is one: what was accepted needs no second check.
  absl::StatusOr<std::optional<StoredJob>> FindReplay(const NewJob& job) const;
  absl::StatusOr<StoredJob> Get(absl::string_view tenant, absl::string_view id) const;
  // The newest first, with numbers below `before`; of any state where `states` is empty.
  absl::StatusOr<JobPage> List(absl::string_view tenant, absl::Span<const ablation::v1::JobState> states,
                               int64_t before, int32_t page_size) const;
  // A job that has ended stays as it is.
  absl::StatusOr<StoredJob> Cancel(absl::string_view tenant, absl::string_view id);
  absl::Status Delete(absl::string_view tenant, absl::string_view id);
  // Messages from `offset` on, of some `max_bytes` together, at least one where there is one.
  absl::StatusOr<ResultPage> ReadResults(int64_t number, int64_t offset, int64_t max_bytes) const;
  // Jobs that come before one, and the cost that they still have.
  struct Ahead {
    int32_t jobs = 0;
    int64_t cost = 0;
  };
  // By number: what comes before each of those that such an engine may run, if no other job is submitted. What has
  // begun comes first; then tenants take turns, first whose last start is longest ago; of one tenant, in the order of
  // submission.
  absl::StatusOr<std::map<int64_t, Ahead>> Queue(const JobEngine& engine) const;

  // For the one who runs jobs.

  // The first of Queue that is none of `but`.
  absl::StatusOr<std::optional<StoredJob>> NextToRun(const JobEngine& engine,
                                                     const absl::flat_hash_set<int64_t>& but = {}) const;
  // Jobs that have not ended and that Queue leaves out.
  absl::StatusOr<int64_t> CountLeftOut(const JobEngine& engine) const;
  absl::StatusOr<StoredJob> GetByNumber(int64_t number) const;
  // Cancelled where the job has ended or was deleted.
  absl::StatusOr<std::string> ReadRequest(int64_t number) const;
  // It runs from now on; the first time counts as its start, and as its tenant's turn. Aborted where it has ended, or
  // was begun in something else.
  absl::Status MarkRunning(int64_t number, absl::string_view runs_as);
  // What the chooser gave for a prompt, where a `heads` sweep comes first; each prompt once. Its messages are pieces of
  // one, and come back as that.
  absl::Status AddChoices(int64_t number, absl::Span<const PromptResults> choices);
  absl::StatusOr<std::vector<PromptResults>> ReadChoices(int64_t number) const;
  // What goes before the prompts' results, and what the whole job costs. Once.
  absl::Status AddHead(int64_t number, absl::Span<const std::string> messages, int64_t cost);
  // Internal where a prompt's are there already, Aborted where the job has ended; nothing is added then.
  absl::Status AddResults(int64_t number, absl::Span<const PromptResults> results);
  // Of this job, rising.
  absl::StatusOr<std::vector<int32_t>> PromptsDone(int64_t number) const;
  absl::StatusOr<std::vector<Suspect>> Suspects(int64_t number) const;
  // The job goes on without the prompt. Aborted where the job has ended.
  absl::Status SetAside(int64_t number, int32_t prompt, absl::string_view reason);
  // The job ends with these messages behind its results. A job that has ended stays as it is.
  absl::Status Finish(int64_t number, ablation::v1::JobState state, const ablation::v1::JobError& error,
                      absl::Span<const std::string> messages);

  // Where the device's thread notes what it runs. Whoever the last process died with is a suspect by now.
  CrashLedger& ledger();

  // For the housekeeper.

  // Ends a piece of what the caller of Delete began, or gives some pages back to the disk; some milliseconds. True
  // where there is more to do.
  absl::StatusOr<bool> Sweep();
  // Deletes jobs that ended longer than `age` ago; then, while all results and requests take more than `max_bytes`, the
  // job that ended first, more than kKeptAtLeast ago, of the tenant with the most bytes among those that have such a
  // job and more than an equal share of `max_bytes`. Returns how many.
  absl::StatusOr<int64_t> Expire(absl::Duration age, int64_t max_bytes, absl::Time now);
  // Time to fetch a job's results, however full the store is.
  static constexpr absl::Duration kKeptAtLeast = absl::Hours(1);

 private:
  struct Impl;
  explicit JobStore(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace ablate
