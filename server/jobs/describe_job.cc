#include "server/jobs/describe_job.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/jobs/job_columns.h"
#include "server/jobs/job_runner.h"

namespace ablate {
namespace {

namespace pb = ::ablation::v1;

// Empty: it waits for its turn.
std::string WaitingReason(const StoredJob& stored, const JobEngine& engine) {
  if (stored.job.weights_sha256() != engine.weights_sha256) {
    return absl::StrCat("the job is for the model with weights_sha256 `", stored.job.weights_sha256(),
                        "`, and the server holds another one: start a server with that model, or cancel it");
  }
  if (stored.runs_as.empty() || stored.runs_as == engine.runs_as) return "";
  return absl::StrCat("the job was begun in ", stored.runs_as, "; this server computes in ", engine.runs_as,
                      ": cancel it and submit it again under another request_id, or delete it, with what it has ",
                      "stored, and submit it again; or start a server like the one that began it");
}

}  // namespace

JobEngine JobEngineOf(const EngineInfo& info) {
  constexpr size_t kDigits = 12;
  // Of a GPU its kind: which one of several it is makes no difference.
  const std::string device = info.device.substr(0, info.device.find(':'));
  return {.weights_sha256 = info.weights_sha256,
          .runs_as =
              absl::StrCat(std::string(Name(info.precision)), " on ", device,
                           " (ablated " ABLATE_VERSION ", tokenizer ", info.tokenizer_sha256.substr(0, kDigits), ")")};
}

pb::Job JobDescriber::operator()(StoredJob stored) {
  std::string reason = WaitingReason(stored, engine_);
  if (reason.empty()) reason = backend_->job_runner->WhyItRests(stored.number);
  pb::Job job = std::move(stored.job);
  const JobRetention& retention = backend_->job_runner->retention();
  if (IsFinal(job.state())) {
    if (retention.age != absl::InfiniteDuration()) {
      job.set_expires_unix_ms(job.ended_unix_ms() + absl::ToInt64Milliseconds(retention.age));
    }
    job.set_remaining_ms(0);
    return job;
  }
  job.set_waiting_reason(reason);
  if (reason.empty()) AddTurn(stored.number, job);
  return job;
}

void JobDescriber::AddTurn(int64_t number, pb::Job& job) {
  if (!queue_.has_value()) queue_ = backend_->jobs->Queue(engine_);
  if (!queue_->ok()) return;
  const auto turn = (*queue_)->find(number);
  // It has ended since.
  if (turn == (*queue_)->end()) return;
  const JobStore::Ahead& ahead = turn->second;
  job.set_queue_position(ahead.jobs);
  const double rate = backend_->job_runner->cost_per_second();
  if (rate <= 0) return;
  const int64_t cost = ahead.cost + std::max<int64_t>(0, job.cost() - job.cost_done());
  job.set_remaining_ms(static_cast<int64_t>(1000.0 * static_cast<double>(cost) / rate));
}

pb::Job DescribeJob(StoredJob job, const Backend& backend) {
  return JobDescriber(&backend)(std::move(job));
}

}  // namespace ablate
