// The calls of jobs.
#include <algorithm>
#include <utility>

#include "client/cpp/call.h"
#include "client/cpp/client.h"

namespace ablate::client {
namespace {

// Servers take messages of 4 MB by default.
constexpr size_t kPartBytes = size_t{1} << 20;
constexpr int64_t kPage = 1000;

// Of a call whose request is an id, and whose answer is the job.
template <typename Request, typename Response>
absl::StatusOr<v1::Job> JobOf(v1::AblationService::Stub& stub,
                              grpc::Status (v1::AblationService::Stub::*ask)(grpc::ClientContext*, const Request&,
                                                                             Response*),
                              const std::string& id, const std::string& address, const CallOptions& options) {
  Call call(options);
  Request request;
  request.set_id(id);
  Response response;
  auto status = call.Result((stub.*ask)(call.context(), request, &response), address);
  if (!status.ok()) return status;
  return std::move(*response.mutable_job());
}

}  // namespace

absl::StatusOr<v1::Job> Client::SubmitJob(const v1::AblateRequest& request, const JobNames& names,
                                          const CallOptions& options) {
  Call call(options);
  v1::SubmitJobResponse response;
  auto writer = ablation_->SubmitJob(call.context(), &response);
  v1::SubmitJobRequest part;
  *part.mutable_request() = request;
  part.mutable_request()->clear_prompts();
  part.set_display_name(names.display_name);
  part.set_request_id(names.request_id);
  part.set_n_prompts(request.prompts_size());
  size_t bytes = 0;
  bool is_first = true, is_open = true;
  const auto send = [&] {
    // False: the server has ended the call; Finish tells why.
    is_open = writer->Write(part);
    part.Clear();
    bytes = 0;
    is_first = false;
  };
  for (const v1::Prompt& prompt : request.prompts()) {
    const size_t size = prompt.ByteSizeLong();
    if (bytes > 0 && bytes + size > kPartBytes) send();
    if (!is_open) break;
    *(is_first ? part.mutable_request()->add_prompts() : part.add_prompts()) = prompt;
    bytes += size;
  }
  if (is_open) send();
  writer->WritesDone();
  if (auto status = call.Result(writer->Finish(), address_); !status.ok()) return status;
  return std::move(*response.mutable_job());
}

absl::StatusOr<v1::Job> Client::GetJob(const std::string& id, const CallOptions& options) {
  return JobOf(*ablation_, &v1::AblationService::Stub::GetJob, id, address_, options);
}

absl::StatusOr<std::vector<v1::Job>> Client::ListJobs(const std::vector<v1::JobState>& states, int64_t limit,
                                                      const CallOptions& options) {
  std::vector<v1::Job> jobs;
  v1::ListJobsRequest request;
  for (const v1::JobState state : states) request.add_states(state);
  do {
    Call call(options);
    request.set_page_size(static_cast<int32_t>(std::min(kPage, limit - static_cast<int64_t>(jobs.size()))));
    v1::ListJobsResponse page;
    auto status = call.Result(ablation_->ListJobs(call.context(), request, &page), address_);
    if (!status.ok()) return status;
    for (auto& job : *page.mutable_jobs()) jobs.push_back(std::move(job));
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty() && static_cast<int64_t>(jobs.size()) < limit);
  return jobs;
}

absl::StatusOr<v1::Job> Client::CancelJob(const std::string& id, const CallOptions& options) {
  return JobOf(*ablation_, &v1::AblationService::Stub::CancelJob, id, address_, options);
}

absl::Status Client::DeleteJob(const std::string& id, const CallOptions& options) {
  Call call(options);
  v1::DeleteJobRequest request;
  request.set_id(id);
  v1::DeleteJobResponse response;
  return call.Result(ablation_->DeleteJob(call.context(), request, &response), address_);
}

absl::Status Client::StreamJobResults(
    const v1::StreamJobResultsRequest& request,
    const std::function<absl::Status(v1::StreamJobResultsResponse message)>& on_message, const CallOptions& options) {
  Call call(options);
  v1::StreamJobResultsResponse message;
  absl::Status status;
  auto reader = ablation_->StreamJobResults(call.context(), request);
  while (status.ok() && reader->Read(&message)) status = on_message(std::move(message));
  if (!status.ok()) {
    call.context()->TryCancel();
    while (reader->Read(&message)) continue;
    reader->Finish();
    return status;
  }
  return call.Result(reader->Finish(), address_);
}

}  // namespace ablate::client
