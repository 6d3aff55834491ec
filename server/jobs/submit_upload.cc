#include "server/jobs/submit_upload.h"

#include <memory>

#include "absl/strings/str_cat.h"
#include "server/errors.h"
#include "server/jobs/jobs_request.h"

namespace ablate {
namespace {

namespace pb = ::ablation::v1;

// What the store takes in one piece.
constexpr int64_t kMaxJobBytes = int64_t{256} << 20;

}  // namespace

SubmitJobUpload* SubmitJobUpload::Start(grpc::CallbackServerContext* context, pb::SubmitJobResponse* response,
                                        std::string tenant, const Backend* backend, Budget* budget, Gate::Pass pass) {
  const auto upload = std::make_shared<SubmitJobUpload>(response, std::move(tenant), backend, budget, std::move(pass));
  upload->Begin(context, RequireJobs(*backend));
  return upload.get();
}

absl::Status SubmitJobUpload::Take(pb::SubmitJobRequest& part) {
  const auto bytes = static_cast<int64_t>(part.ByteSizeLong());
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
    if (!part.prompts().empty()) {
      return BadField("prompts", "PROMPTS_IN_FIRST_PART",
                      "the first part has its prompts in `request.prompts`; `prompts` is for the parts behind it");
    }
    whole_ = std::move(part);
    return absl::OkStatus();
  }
  if (part.has_request() || !part.display_name().empty() || !part.request_id().empty() || part.n_prompts() != 0) {
    return BadField("request", "REQUEST_IN_LATER_PART",
                    "only the first part has `request`, `display_name`, `request_id` and `n_prompts`; later ones have "
                    "`prompts`");
  }
  has_later_ = true;
  for (pb::Prompt& prompt : *part.mutable_prompts()) *whole_.mutable_request()->add_prompts() = std::move(prompt);
  return absl::OkStatus();
}

// A client that dies and one that has sent all end their streams alike.
absl::Status SubmitJobUpload::CheckWhole() const {
  const int came = whole_.request().prompts_size();
  if (whole_.n_prompts() == came || (whole_.n_prompts() == 0 && !has_later_)) return absl::OkStatus();
  return BadField("n_prompts", "PROMPT_COUNT_MISMATCH",
                  absl::StrCat("got ", whole_.n_prompts(), ", expected ", came,
                               ", which is how many prompts have come in all parts"));
}

absl::Status SubmitJobUpload::Conclude() {
  if (!has_first_) return BadField("request", "REQUEST_MISSING", "the stream ended before its first part");
  if (absl::Status whole = CheckWhole(); !whole.ok()) return whole;
  const auto go_on = [this] { return Gone() ? absl::CancelledError("the client has left") : absl::OkStatus(); };
  return SubmitJob(whole_, tenant_, backend(), go_on, *response_);
}

}  // namespace ablate
