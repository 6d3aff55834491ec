#include "server/ablate_stream.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "server/convert.h"
#include "server/prepare.h"
#include "spdlog/spdlog.h"

namespace ablate {
namespace pb = ::ablation::v1;

AblateStream* AblateStream::Start(grpc::CallbackServerContext* context, const pb::AblateRequest* request,
                                  const Backend* backend, Gate::Pass pass) {
  auto stream = std::make_shared<AblateStream>(backend, std::move(pass));
  stream->Keep(context);
  backend->stall_guard->Watch(stream);
  const absl::Time deadline = absl::FromChrono(context->deadline());
  const absl::Status queued =
      backend->executor->Submit(static_cast<int64_t>(request->ByteSizeLong()),
                                [stream, request, deadline] { stream->PrepareAndSubmit(*request, deadline); });
  if (!queued.ok()) {
    stream->End(queued);
    stream->Release();
  }
  return stream.get();
}

AblateStream::AblateStream(const Backend* backend, Gate::Pass pass)
    : backend_(backend), pass_(std::move(pass)), arrival_(absl::Now()) {}

void AblateStream::PrepareAndSubmit(const pb::AblateRequest& request, absl::Time deadline) {
  const absl::Status admitted = Admit(request, deadline);
  if (!admitted.ok()) End(admitted);
  Release();
}

absl::Status AblateStream::Admit(const pb::AblateRequest& request, absl::Time deadline) {
  const absl::Time begin = absl::Now();
  auto prepared = Prepare(request, *backend_->engine, backend_->limits, [this, deadline] {
    if (Gone()) return absl::CancelledError("the client has left");
    if (deadline <= absl::Now()) return absl::DeadlineExceededError("the deadline passed before the request was ready");
    return absl::OkStatus();
  });
  if (!prepared.ok()) return prepared.status();
  auto work = std::make_shared<Request>();
  work->prepared = std::make_shared<const PreparedRequest>(*std::move(prepared));
  work->deadline = deadline;
  work->sink = std::static_pointer_cast<AblateStream>(shared_from_this());

  pb::Manifest manifest;
  *manifest.mutable_model() = MakeModelInfo(backend_->engine->Describe(), backend_->model_name);
  *manifest.mutable_runtime() = MakeRuntimeInfo(backend_->engine->Describe(), backend_->limits);
  head_.emplace(std::move(manifest), &request, work->prepared, &backend_->engine->tokenizer());
  total_rows_ = work->prepared->total_rows();
  prepare_ns_ = absl::ToInt64Nanoseconds(absl::Now() - begin);
  // From here on blocks may come; they wait behind the head.
  const absl::Status admitted = backend_->scheduler->Submit(std::move(work));
  if (!admitted.ok()) head_.reset();
  return admitted;
}

void AblateStream::CancelIfStalled(absl::Time since) {
  const std::string why =
      absl::StrCat("the client took no results for ", absl::FormatDuration(backend_->max_write_stall),
                   " (--max-write-stall): read the stream, or set a deadline");
  if (AbortIfBusySince(since, why)) spdlog::warn("a call was ended: {}", why);
}

absl::Status AblateStream::TakeBlock(ReadoutBlock block, int32_t prompt_index) {
  auto messages = MakeRowBlocks(block, prompt_index, backend_->engine->tokenizer());
  if (!messages.ok()) return absl::InternalError(messages.status().message());
  for (pb::RowBlock& message : *messages) {
    pb::AblateResponse response;
    *response.mutable_row_block() = std::move(message);
    Push(std::move(response));
  }
  return absl::OkStatus();
}

void AblateStream::Complete(absl::Status status, const RequestTiming& timing) {
  if (status.ok()) {
    pb::AblateResponse response;
    pb::Completion& completion = *response.mutable_completion();
    completion.set_rows(total_rows_);
    completion.mutable_timing()->set_queue_ns(absl::ToInt64Nanoseconds(timing.taken_up - arrival_));
    completion.mutable_timing()->set_prepare_ns(prepare_ns_);
    completion.mutable_timing()->set_forward_ns(timing.forward_ns);
    completion.mutable_timing()->set_forward_passes(timing.forward_passes);
    completion.mutable_timing()->set_total_ns(absl::ToInt64Nanoseconds(absl::Now() - arrival_));
    Push(std::move(response));
  }
  End(std::move(status));
}

}  // namespace ablate
