// Takes a job's results from the device, prompt by prompt, for the thread that stores them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "server/jobs/crash_ledger.h"
#include "server/jobs/job_store.h"
#include "server/request.h"
#include "server/row_assembler.h"

namespace ablate {

struct JobSinkOptions {
  bool is_over_pairs = false;
  // Rows as what is stored of them.
  std::function<std::vector<std::string>(AssembledRows rows)> encode;
  // Index of a prompt in the job; the request's own where it is empty.
  std::vector<int32_t> prompt_of = {};
  // Most bytes that may wait to be stored.
  int64_t max_waiting_bytes = 0;
  // Asked from any thread.
  std::function<bool()> abandoned;
  // Of the device's thread.
  CrashLedger* ledger = nullptr;
  int64_t job = 0;
};

class JobSink final : public ResultSink {
 public:
  JobSink(std::shared_ptr<const PreparedRequest> prepared, JobSinkOptions options);

  absl::Status TakeBlock(ReadoutBlock block, size_t unit) override;
  absl::Status EndPrompt(int32_t prompt, const EngineUse& so_far) override;
  void Complete(absl::Status status, const RequestTiming& timing) override;
  void Suspend() override { options_.ledger->Suspend(); }
  void Resume() override { options_.ledger->Resume(); }
  void LoseDevice() override { options_.ledger->Condemn(); }
  bool Abandoned() const override { return options_.abandoned(); }
  int64_t waiting_bytes() const override;
  int64_t max_waiting_bytes() const override { return options_.max_waiting_bytes; }

  // Before each of a unit's runs, in the device's thread.
  void NoteRun(size_t unit) const;

  // What is to be stored now, and how the request ended, if it did. Waits until there is one of the two.
  struct Ready {
    std::vector<PromptResults> results;
    std::optional<absl::Status> ended;
  };
  Ready Await();
  // They are stored, and wait no more; the scheduler is to be woken.
  void Stored(const std::vector<PromptResults>& results);

 private:
  int32_t PromptOf(int32_t prompt) const;
  bool HasReady() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return !ready_.empty() || ended_.has_value(); }

  const std::shared_ptr<const PreparedRequest> prepared_;
  const JobSinkOptions options_;
  // Of each prompt, all units' together.
  std::vector<int64_t> cost_;
  // The device's thread's own.
  RowAssembler assembler_;
  // Told with a prompt's results.
  EngineUse told_;
  absl::flat_hash_map<int32_t, PromptResults> open_;

  mutable absl::Mutex mu_;
  std::vector<PromptResults> ready_ ABSL_GUARDED_BY(mu_);
  std::optional<absl::Status> ended_ ABSL_GUARDED_BY(mu_);
  int64_t waiting_bytes_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace ablate
