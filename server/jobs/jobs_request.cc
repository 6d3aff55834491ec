#include "server/jobs/jobs_request.h"

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "server/errors.h"
#include "server/jobs/describe_job.h"
#include "server/jobs/job_runner.h"
#include "server/prepare_for.h"
#include "server/quote.h"
#include "server/request_fields.h"
#include "server/row_blocks.h"
#include "server/unknown_fields.h"

namespace ablate {
namespace {

namespace pb = ::ablation::v1;

constexpr int kMaxPage = 1000;
constexpr int kPage = 100;

bool IsUuid(const std::string& text) {
  constexpr size_t kLength = 36;
  if (text.size() != kLength) return false;
  for (size_t i = 0; i < kLength; ++i) {
    const bool is_dash = i == 8 || i == 13 || i == 18 || i == 23;
    const char c = text[i];
    if (is_dash ? c != '-' : !((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) return false;
  }
  return true;
}

absl::Status CheckNames(const pb::SubmitJobRequest& parts) {
  if (absl::Status status = CheckDisplayName(parts.display_name()); !status.ok()) return status;
  if (!parts.request_id().empty() && !IsUuid(parts.request_id())) {
    return BadField("request_id", "REQUEST_ID_INVALID",
                    absl::StrCat("got ", Quoted(parts.request_id()), ", expected a UUID in lower-case hex, e.g. ",
                                 "`f81d4fae-7dec-11d0-a765-00a0c91e6bf6`, or nothing"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<pb::JobState>> StatesOf(const pb::ListJobsRequest& request) {
  std::vector<pb::JobState> states;
  for (int i = 0; i < request.states_size(); ++i) {
    if (request.states(i) == pb::JOB_STATE_UNSPECIFIED || !pb::JobState_IsValid(request.states(i))) {
      return BadField(absl::StrCat("states[", i, "]"), "STATE_UNKNOWN",
                      absl::StrCat("got ", static_cast<int>(request.states(i)), ", expected a JobState"));
    }
    states.push_back(request.states(i));
  }
  return states;
}

// The store would delete what a job gave before anybody could read it.
absl::Status CheckResultBytes(const PreparedRequest& prepared, int64_t limit) {
  // Of a sweep that needs an order first, what comes in the end.
  const int64_t bytes = std::max(prepared.follow_up.result_bytes, TotalResultBytes(prepared));
  if (bytes <= limit) return absl::OkStatus();
  return OverQuota("RESULTS_TOO_LARGE",
                   absl::StrCat("the job gives some ", bytes, " bytes of results, expected at most ", limit,
                                " (--max-job-store-bytes): submit fewer prompts at a time, or ask for less of each"));
}

}  // namespace

absl::Status RequireJobs(const Backend& backend) {
  if (backend.jobs != nullptr) return absl::OkStatus();
  return ErrorWithReason(absl::StatusCode::kFailedPrecondition, "NO_JOBS",
                         absl::StrCat("this server keeps no jobs", backend.why_no_jobs.empty() ? "" : ", since ",
                                      backend.why_no_jobs, ": start it with --jobs-dir"));
}

absl::Status JobError(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kNotFound:
      return ErrorWithReason(status.code(), "JOB_NOT_FOUND", status.message());
    case absl::StatusCode::kInvalidArgument:
      return BadField("request_id", "REQUEST_ID_REUSED", status.message());
    case absl::StatusCode::kUnavailable:
      return RetryLater(status.code(), "JOB_STORE_UNAVAILABLE", status.message(), absl::Seconds(30));
    case absl::StatusCode::kDataLoss:
      return ErrorWithReason(status.code(), "JOB_STORE_DAMAGED", status.message());
    case absl::StatusCode::kResourceExhausted:
      return RetryLater(status.code(), "TOO_MANY_JOBS", status.message(), absl::Minutes(1));
    default:
      return status;
  }
}

absl::Status SubmitJob(const pb::SubmitJobRequest& parts, const std::string& tenant, const Backend& backend,
                       const std::function<absl::Status()>& go_on, pb::SubmitJobResponse& response) {
  absl::Status status = RequireJobs(backend);
  if (status.ok()) status = CheckNames(parts);
  if (!status.ok()) return status;
  NewJob job{.tenant = tenant,
             .request_id = parts.request_id(),
             .display_name = parts.display_name(),
             .request = parts.request().SerializeAsString(),
             .weights_sha256 = backend.engine->Describe().weights_sha256,
             .n_prompts = parts.request().prompts_size()};
  // What was accepted stays so, also where its mean library is gone by now.
  auto replay = backend.jobs->FindReplay(job);
  if (!replay.ok()) return JobError(replay.status());
  if (replay->has_value()) {
    *response.mutable_job() = DescribeJob(**std::move(replay), backend);
    return absl::OkStatus();
  }
  const auto prepared = PrepareFor(tenant, parts.request(), backend.job_limits, backend, go_on);
  if (!prepared.ok()) return prepared.status();
  job.cost = prepared->cost + prepared->follow_up.cost;
  if (job.cost > backend.job_limits.cost) return TooCostly(job.cost, backend.job_limits.cost);
  status = CheckResultBytes(*prepared, backend.job_runner->retention().bytes);
  if (status.ok()) status = go_on();
  if (!status.ok()) return status;
  auto stored = backend.jobs->Submit(job, backend.max_open_jobs);
  if (!stored.ok()) return JobError(stored.status());
  backend.job_runner->Wake();
  *response.mutable_job() = DescribeJob(*std::move(stored), backend);
  return absl::OkStatus();
}

absl::Status GetJob(const pb::GetJobRequest& request, const std::string& tenant, const Backend& backend,
                    pb::GetJobResponse& response) {
  absl::Status status = RefuseUnknownFields(request);
  if (status.ok()) status = RequireJobs(backend);
  if (!status.ok()) return status;
  auto job = backend.jobs->Get(tenant, request.id());
  if (!job.ok()) return JobError(job.status());
  *response.mutable_job() = DescribeJob(*std::move(job), backend);
  return absl::OkStatus();
}

absl::Status ListJobs(const pb::ListJobsRequest& request, const std::string& tenant, const Backend& backend,
                      pb::ListJobsResponse& response) {
  absl::Status status = RefuseUnknownFields(request);
  if (status.ok()) status = RequireJobs(backend);
  if (!status.ok()) return status;
  if (request.page_size() < 0 || request.page_size() > kMaxPage) {
    return BadField("page_size", "PAGE_SIZE_OUT_OF_RANGE",
                    absl::StrCat("got ", request.page_size(), ", expected 1 .. ", kMaxPage, ", or 0 for ", kPage));
  }
  // The token is the number of the last job of the page before.
  int64_t before = std::numeric_limits<int64_t>::max();
  if (!request.page_token().empty() && (!absl::SimpleAtoi(request.page_token(), &before) || before < 1)) {
    return BadField(
        "page_token", "PAGE_TOKEN_INVALID",
        absl::StrCat("got ", Quoted(request.page_token()), ", expected the next_page_token of another page"));
  }
  const auto states = StatesOf(request);
  if (!states.ok()) return states.status();
  auto page = backend.jobs->List(tenant, *states, before, request.page_size() == 0 ? kPage : request.page_size());
  if (!page.ok()) return JobError(page.status());
  if (page->has_more) response.set_next_page_token(absl::StrCat(page->jobs.back().number));
  JobDescriber describe(&backend);
  for (StoredJob& job : page->jobs) *response.add_jobs() = describe(std::move(job));
  return absl::OkStatus();
}

absl::Status CancelJob(const pb::CancelJobRequest& request, const std::string& tenant, const Backend& backend,
                       pb::CancelJobResponse& response) {
  absl::Status status = RefuseUnknownFields(request);
  if (status.ok()) status = RequireJobs(backend);
  if (!status.ok()) return status;
  auto job = backend.jobs->Cancel(tenant, request.id());
  if (!job.ok()) return JobError(job.status());
  backend.job_runner->StopJob(job->number);
  *response.mutable_job() = DescribeJob(*std::move(job), backend);
  return absl::OkStatus();
}

absl::Status DeleteJob(const pb::DeleteJobRequest& request, const std::string& tenant, const Backend& backend) {
  absl::Status status = RefuseUnknownFields(request);
  if (status.ok()) status = RequireJobs(backend);
  if (!status.ok()) return status;
  const auto job = backend.jobs->Get(tenant, request.id());
  status = job.ok() ? backend.jobs->Delete(tenant, request.id()) : job.status();
  if (!status.ok()) return JobError(status);
  backend.job_runner->StopJob(job->number);
  return absl::OkStatus();
}

}  // namespace ablate
