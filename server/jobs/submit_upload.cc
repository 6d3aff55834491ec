#include "server/jobs/submit_upload.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "grpc/grpc.h"
#include "server/errors.h"
#include "server/jobs/jobs_request.h"
#include "server/unknown_fields.h"
#include "spdlog/spdlog.h"

namespace ablate {
namespace {

namespace pb = ::ablation::v1;

// What the store takes in one piece.
constexpr int64_t kMaxJobBytes = int64_t{256} << 20;

}  // namespace

SubmitJobUpload* SubmitJobUpload::Start(grpc::CallbackServerContext* context, pb::SubmitJobResponse* response,
                                        std::string tenant, const Backend* backend, Budget* budget, Gate::Pass pass) {
  auto upload = std::make_shared<SubmitJobUpload>(response, std::move(tenant), backend, budget, std::move(pass));
  upload->self_ = upload;
  {
    absl::MutexLock lock(&upload->mu_);
    upload->context_ = context;
  }
  backend->stall_guard->Watch(upload);
  const absl::Status possible = RequireJobs(*backend);
  if (possible.ok()) {
    upload->Read();
  } else {
    upload->End(possible);
  }
  return upload.get();
}

SubmitJobUpload::SubmitJobUpload(pb::SubmitJobResponse* response, std::string tenant, const Backend* backend,
                                 Budget* budget, Gate::Pass pass)
    : response_(response), tenant_(std::move(tenant)), backend_(backend), pass_(std::move(pass)), budget_(budget) {}

void SubmitJobUpload::Read() {
  {
    absl::MutexLock lock(&mu_);
    reading_since_ = absl::Now();
  }
  StartRead(&part_);
}

void SubmitJobUpload::OnReadDone(bool ok) {
  {
    absl::MutexLock lock(&mu_);
    reading_since_.reset();
  }
  if (gone_) return End(absl::CancelledError("the client has left"));
  if (ok) {
    const absl::Status taken = TakePart();
    return taken.ok() ? Read() : End(taken);
  }
  // The bytes are in the budget, not the executor's count.
  const absl::Status queued =
      backend_->executor->Submit(0, [upload = shared_from_this()] { upload->End(upload->Submit()); });
  if (!queued.ok()) End(queued);
}

absl::Status SubmitJobUpload::TakePart() {
  const absl::Status known = RefuseUnknownFields(part_);
  if (!known.ok()) return known;
  const auto bytes = static_cast<int64_t>(part_.ByteSizeLong());
  bytes_ += bytes;
  if (bytes_ > kMaxJobBytes) {
    return OverQuota("JOB_TOO_LARGE",
                     absl::StrCat("the job has ", bytes_, " bytes or more, expected at most ", kMaxJobBytes));
  }
  auto room = budget_->Take(bytes);
  if (!room.ok()) return room.status();
  memory_.push_back(*std::move(room));
  if (!has_first_) {
    has_first_ = true;
    if (!part_.prompts().empty()) {
      return BadField("prompts", "PROMPTS_IN_FIRST_PART",
                      "the first part has its prompts in `request.prompts`; `prompts` is for the parts behind it");
    }
    whole_ = std::move(part_);
    return absl::OkStatus();
  }
  if (part_.has_request() || !part_.display_name().empty() || !part_.request_id().empty()) {
    return BadField("request", "REQUEST_IN_LATER_PART",
                    "only the first part has `request`, `display_name` and `request_id`; later ones have `prompts`");
  }
  for (pb::Prompt& prompt : *part_.mutable_prompts()) *whole_.mutable_request()->add_prompts() = std::move(prompt);
  return absl::OkStatus();
}

absl::Status SubmitJobUpload::Submit() {
  if (!has_first_) return BadField("request", "REQUEST_MISSING", "the stream ended before its first part");
  const auto go_on = [this] { return gone_ ? absl::CancelledError("the client has left") : absl::OkStatus(); };
  const absl::Status status = go_on();
  return status.ok() ? SubmitJob(whole_, tenant_, *backend_, go_on, *response_) : status;
}

void SubmitJobUpload::End(const absl::Status& status) {
  Finish(ToGrpcStatus(status));
}

void SubmitJobUpload::OnDone() {
  {
    absl::MutexLock lock(&mu_);
    context_ = nullptr;
  }
  pass_.reset();
  const auto self = std::move(self_);
}

void SubmitJobUpload::CancelIfStalled(absl::Time since) {
  const std::string why = absl::StrCat("the client sent nothing for ", absl::FormatDuration(backend_->max_write_stall),
                                       " (--max-write-stall): send the next part, or end the stream");
  grpc_call* call = nullptr;
  {
    absl::MutexLock lock(&mu_);
    if (context_ == nullptr || !reading_since_.has_value() || *reading_since_ > since) return;
    // Outlives the context, which goes when the call is over.
    call = std::exchange(context_, nullptr)->c_call();
    grpc_call_ref(call);
  }
  grpc_call_cancel_with_status(call, GRPC_STATUS_ABORTED, why.c_str(), nullptr);
  grpc_call_unref(call);
  spdlog::warn("a call was ended: {}", why);
}

}  // namespace ablate
