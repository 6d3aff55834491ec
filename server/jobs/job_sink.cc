#include "server/jobs/job_sink.h"

#include <utility>

namespace ablate {
namespace {

int64_t BytesOf(const PromptResults& results) {
  int64_t bytes = 0;
  for (const std::string& message : results.messages) bytes += static_cast<int64_t>(message.size());
  return bytes;
}

}  // namespace

JobSink::JobSink(std::shared_ptr<const PreparedRequest> prepared, JobSinkOptions options)
    : prepared_(std::move(prepared)),
      options_(std::move(options)),
      cost_(prepared_->prompts.size(), 0),
      assembler_(prepared_, options_.is_over_pairs) {
  for (const ScanUnit& unit : prepared_->units) cost_[static_cast<size_t>(unit.prompt)] += unit.cost;
}

int32_t JobSink::PromptOf(int32_t prompt) const {
  return options_.prompt_of.empty() ? prompt : options_.prompt_of[static_cast<size_t>(prompt)];
}

void JobSink::NoteRun(size_t unit) const {
  options_.ledger->Note(options_.job, PromptOf(prepared_->units[unit].prompt));
}

absl::Status JobSink::TakeBlock(ReadoutBlock block, size_t unit) {
  auto rows = assembler_.Take(block, unit);
  if (!rows.ok()) return rows.status();
  PromptResults& results = open_[rows->prompt];
  int64_t bytes = 0;
  for (std::string& message : options_.encode(*std::move(rows))) {
    bytes += static_cast<int64_t>(message.size());
    results.messages.push_back(std::move(message));
  }
  absl::MutexLock lock(&mu_);
  waiting_bytes_ += bytes;
  return absl::OkStatus();
}

absl::Status JobSink::EndPrompt(int32_t prompt, const EngineUse& so_far) {
  // The device has left the batch that the prompt was in.
  options_.ledger->Clear();
  absl::Status whole = assembler_.EndPrompt(prompt);
  if (!whole.ok()) return whole;
  PromptResults results = std::move(open_[prompt]);
  open_.erase(prompt);
  results.prompt = PromptOf(prompt);
  results.cost = cost_[static_cast<size_t>(prompt)];
  results.use = so_far.Since(told_);
  told_ = so_far;
  absl::MutexLock lock(&mu_);
  ready_.push_back(std::move(results));
  return absl::OkStatus();
}

void JobSink::Complete(absl::Status status, const RequestTiming& /*timing*/) {
  options_.ledger->Clear();
  absl::MutexLock lock(&mu_);
  ended_ = std::move(status);
}

int64_t JobSink::waiting_bytes() const {
  absl::MutexLock lock(&mu_);
  return waiting_bytes_;
}

JobSink::Ready JobSink::Await() {
  absl::MutexLock lock(&mu_);
  mu_.Await(absl::Condition(this, &JobSink::HasReady));
  Ready ready;
  ready.results = std::exchange(ready_, {});
  ready.ended = ended_;
  return ready;
}

void JobSink::Stored(const std::vector<PromptResults>& results) {
  int64_t bytes = 0;
  for (const PromptResults& prompt : results) bytes += BytesOf(prompt);
  absl::MutexLock lock(&mu_);
  waiting_bytes_ -= bytes;
}

}  // namespace ablate
