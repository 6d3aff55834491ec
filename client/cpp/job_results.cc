#include "client/cpp/job_results.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/cpp/scan_dispatch.h"
#include "client/cpp/stream_check.h"

namespace ablate::client {
namespace {

// The results behind the head are wanted from another offset on: not an error, but the end of one stream.
const absl::Status& Jump() {
  static const auto* const kJump = new absl::Status(absl::StatusCode::kCancelled, "jump");
  return *kJump;
}

class Reader {
 public:
  Reader(Client* client, const JobResultsOptions& options, const JobResultsHandlers& handlers, const CallOptions& call)
      : client_(client),
        options_(options),
        handlers_(handlers),
        dispatch_(&handlers_.scan),
        retries_(options.retry, call) {}

  absl::StatusOr<JobResults> Read() {
    // Whether there is a server and a job is no matter for tries.
    if (auto status = Look(); !status.ok()) return status;
    while (true) {
      auto status = Stream();
      if (status == Jump()) {
        offset_ = options_.offset;
        continue;
      }
      if (status.ok()) return End();
      while (!status.ok()) {
        // A handler's errors are nothing that another try would mend.
        if (is_fatal_) return status;
        if (auto waited = retries_.Await(status); !waited.ok()) return waited;
        status = Look();
      }
    }
  }

 private:
  absl::Status Fatal(absl::Status status) {
    is_fatal_ = is_fatal_ || !status.ok();
    return status;
  }

  absl::Status Look() {
    const auto job = client_->GetJob(options_.id, retries_.call());
    if (!job.ok()) return job.status();
    if (!check_) {
      if (options_.offset < 0 || options_.offset > job->n_results()) {
        return absl::OutOfRangeError(absl::StrCat("offset ", options_.offset, ": expected 0 to ", job->n_results(),
                                                  ", the number of results that the job has"));
      }
      check_.emplace(*job, options_.offset == 0);
    }
    return Fatal(handlers_.on_job ? handlers_.on_job(*job) : absl::OkStatus());
  }

  // From where we are to the job's end.
  absl::Status Stream() {
    v1::StreamJobResultsRequest request;
    request.set_id(options_.id);
    request.set_offset(offset_);
    request.set_only_stored(options_.only_stored);
    auto status = client_->StreamJobResults(
        request,
        [this](v1::StreamJobResultsResponse message) {
          auto taken = Take(message);
          return taken == Jump() ? taken : Fatal(std::move(taken));
        },
        retries_.call());
    if (!status.ok() || job_) return status;
    return Fatal(absl::DataLossError(
        absl::StrCat("incomplete: the job's results ended at offset ", offset_, ", without the job itself")));
  }

  absl::Status Take(v1::StreamJobResultsResponse& message) {
    const bool is_result = message.has_result();
    const int64_t expected = offset_ + (is_result ? 1 : 0);
    if (job_) return absl::InternalError("the server broke the contract: a message came after the job");
    if (message.next_offset() != expected) {
      return absl::InternalError(absl::StrCat("the server broke the contract: next_offset is ", message.next_offset(),
                                              ", expected ", expected));
    }
    offset_ = expected;
    retries_.Reset();
    if (message.has_job()) job_ = std::move(*message.mutable_job());
    if (!is_result) return absl::OkStatus();
    auto status = check_->Take(message.result());
    if (status.ok()) status = dispatch_.Take(*message.mutable_result());
    return status.ok() && dispatch_.has_manifest() && offset_ < options_.offset ? Jump() : status;
  }

  absl::StatusOr<JobResults> End() {
    if (auto status = check_->EndOfJob(*job_); !status.ok()) return status;
    return JobResults{.job = *std::move(job_), .completion = dispatch_.TakeCompletion(), .next_offset = offset_};
  }

  Client* const client_;
  const JobResultsOptions options_;
  const JobResultsHandlers handlers_;
  ScanDispatch dispatch_;
  Retries retries_;
  std::optional<StreamCheck> check_;
  std::optional<v1::Job> job_;
  int64_t offset_ = 0;
  bool is_fatal_ = false;
};

}  // namespace

absl::StatusOr<JobResults> ReadJobResults(Client* client, const JobResultsOptions& options,
                                          const JobResultsHandlers& handlers, const CallOptions& call) {
  return Reader(client, options, handlers, call).Read();
}

}  // namespace ablate::client
