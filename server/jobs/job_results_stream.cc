#include "server/jobs/job_results_stream.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "server/errors.h"
#include "server/jobs/describe_job.h"
#include "server/jobs/job_columns.h"
#include "server/jobs/jobs_request.h"
#include "server/unknown_fields.h"

namespace ablate {
namespace {

namespace pb = ::ablation::v1;

}  // namespace

JobResultsStream* JobResultsStream::Start(grpc::CallbackServerContext* context,
                                          const pb::StreamJobResultsRequest* request, std::string tenant,
                                          const Backend* backend, Gate::Pass pass) {
  auto stream = std::make_shared<JobResultsStream>(*request, std::move(tenant), backend, std::move(pass));
  stream->Keep(context);
  stream->Release();
  backend->stall_guard->Watch(stream);
  const absl::Status queued = backend->executor->Submit(static_cast<int64_t>(request->ByteSizeLong()), [stream] {
    const absl::Status opened = stream->Open();
    if (opened.ok()) {
      stream->Refill();
    } else {
      stream->End(opened);
    }
  });
  if (!queued.ok()) stream->End(queued);
  return stream.get();
}

absl::Status JobResultsStream::Open() {
  absl::Status status = RefuseUnknownFields(request_);
  if (status.ok()) status = RequireJobs(*backend_);
  if (!status.ok()) return status;
  const auto job = backend_->jobs->Get(tenant_, request_.id());
  if (!job.ok()) return JobError(job.status());
  if (request_.offset() < 0 || request_.offset() > job->job.n_results()) {
    return ErrorWithReason(absl::StatusCode::kOutOfRange, "OFFSET_OUT_OF_RANGE",
                           absl::StrCat("offset: got ", request_.offset(), ", expected 0 .. ", job->job.n_results(),
                                        ", which is where the job's results end now"));
  }
  number_ = job->number;
  offset_ = request_.offset();
  if (request_.only_stored()) end_ = job->job.n_results();
  // Before the first look, so that no change is missed.
  std::weak_ptr<JobResultsStream> self = Self();
  absl::MutexLock lock(&fill_mu_);
  if (over_) return absl::OkStatus();
  watch_ = backend_->job_hub->Add(number_, [self] {
    if (const auto stream = self.lock()) stream->Refill();
  });
  return absl::OkStatus();
}

void JobResultsStream::Refill() {
  {
    absl::MutexLock lock(&fill_mu_);
    if (over_) return;
    again_ = true;
    if (filling_) return;
    filling_ = true;
  }
  const absl::Status queued = backend_->executor->Submit(0, [self = Self()] { self->Fill(); });
  if (!queued.ok()) End(queued);
}

void JobResultsStream::Fill() {
  while (true) {
    {
      absl::MutexLock lock(&fill_mu_);
      if (!again_ || over_) {
        filling_ = false;
        return;
      }
      again_ = false;
    }
    while (true) {
      const auto more = FillPage();
      if (!more.ok()) Conclude(more.status());
      if (!more.ok() || !*more) break;
    }
  }
}

// What is queued goes out; nothing more is read.
void JobResultsStream::Conclude(const absl::Status& status) {
  {
    absl::MutexLock lock(&fill_mu_);
    over_ = true;
  }
  End(status);
}

absl::StatusOr<bool> JobResultsStream::FillPage() {
  // Whoever reads slowly is filled again when there is room.
  const int64_t room = backend_->max_stream_bytes - buffered_bytes();
  if (Gone() || (room <= 0 && buffered_bytes() > 0)) return false;
  auto page = backend_->jobs->ReadResults(number_, offset_, std::max<int64_t>(1, room));
  if (!page.ok()) return JobError(page.status());
  // What has ended grows no more, and is given whole.
  const bool is_final = IsFinal(page->stored.job.state());
  const int64_t end = is_final ? page->stored.job.n_results() : std::min(end_, page->stored.job.n_results());
  for (const std::string& message : page->messages) {
    if (offset_ == end) break;
    pb::StreamJobResultsResponse response;
    if (!response.mutable_result()->ParseFromString(message)) {
      return ErrorWithReason(absl::StatusCode::kDataLoss, "JOB_STORE_DAMAGED", "a stored result cannot be read");
    }
    response.set_next_offset(++offset_);
    Push(std::move(response));
  }
  if (offset_ < end) return true;
  if (is_final || request_.only_stored()) {
    pb::StreamJobResultsResponse last;
    *last.mutable_job() = DescribeJob(std::move(page->stored), *backend_);
    last.set_next_offset(offset_);
    Push(std::move(last));
    Conclude(absl::OkStatus());
  } else if (backend_->job_hub->closed()) {
    return RetryLater(absl::StatusCode::kUnavailable, "DRAINING",
                      absl::StrCat("draining: the server is about to stop; go on from offset ", offset_),
                      absl::Seconds(1));
  }
  return false;
}

void JobResultsStream::OnProgress() {
  // Not for each of the messages: half of the room is worth a read.
  if (buffered_bytes() <= backend_->max_stream_bytes / 2) Refill();
}

void JobResultsStream::OnOver() {
  std::unique_ptr<JobHub::Watch> watch;
  {
    absl::MutexLock lock(&fill_mu_);
    over_ = true;
    watch = std::move(watch_);
  }
  watch.reset();
  pass_.reset();
}

void JobResultsStream::CancelIfStalled(absl::Time since) {
  EndIfBusySince(
      since, StallText("took no results", backend_->max_write_stall, "read the stream, and go on from next_offset"));
}

}  // namespace ablate
