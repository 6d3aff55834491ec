#include "tests/server/jobs/job_calls.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/time/clock.h"
#include "tests/server/jobs/call_by_id.h"

namespace ablate {
namespace {

namespace pb = ::ablation::v1;

ServerOptions WithJobs(ServerOptions options, int64_t max_pages) {
  options.jobs = OpenJobs(max_pages);
  return options;
}

}  // namespace

int64_t JobStream::rows() const {
  int64_t rows = 0;
  for (const pb::AblateResponse& result : results) rows += result.row_block().variant_size();
  return rows;
}

std::vector<int32_t> JobStream::prompts() const {
  std::vector<int32_t> prompts;
  for (const pb::AblateResponse& result : results) {
    const auto& column = result.row_block().prompt_index();
    prompts.insert(prompts.end(), column.begin(), column.end());
  }
  std::sort(prompts.begin(), prompts.end());
  prompts.erase(std::unique(prompts.begin(), prompts.end()), prompts.end());
  return prompts;
}

JobServer::JobServer(int64_t max_pages, ServerOptions options, int64_t max_packed_tokens)
    : server_(WithJobs(std::move(options), max_pages)) {
  server_.Serve(max_packed_tokens);
}

Answered<pb::Job> JobServer::Submit(const std::vector<pb::SubmitJobRequest>& parts) {
  grpc::ClientContext context;
  pb::SubmitJobResponse response;
  const auto writer = stub().SubmitJob(&context, &response);
  for (const pb::SubmitJobRequest& part : parts) {
    // The server may have had enough.
    if (!writer->Write(part)) break;
  }
  writer->WritesDone();
  grpc::Status status = writer->Finish();
  return {std::move(status), response.job()};
}

Answered<pb::Job> JobServer::Submit(const pb::AblateRequest& request, const std::string& request_id) {
  pb::SubmitJobRequest part;
  *part.mutable_request() = request;
  part.set_request_id(request_id);
  return Submit(std::vector<pb::SubmitJobRequest>{part});
}

Answered<pb::Job> JobServer::Get(const std::string& id) {
  auto [status, response] = CallById(stub(), &pb::AblationService::Stub::GetJob, id);
  return {std::move(status), response.job()};
}

Answered<pb::ListJobsResponse> JobServer::List(const pb::ListJobsRequest& request) {
  grpc::ClientContext context;
  Answered<pb::ListJobsResponse> answered;
  answered.status = stub().ListJobs(&context, request, &answered.answer);
  return answered;
}

Answered<pb::Job> JobServer::Cancel(const std::string& id) {
  auto [status, response] = CallById(stub(), &pb::AblationService::Stub::CancelJob, id);
  return {std::move(status), response.job()};
}

grpc::Status JobServer::Delete(const std::string& id) {
  return CallById(stub(), &pb::AblationService::Stub::DeleteJob, id).status;
}

JobStream JobServer::Stream(const std::string& id, int64_t offset, const std::function<void()>& on_result) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
  pb::StreamJobResultsRequest request;
  request.set_id(id);
  request.set_offset(offset);
  const auto reader = stub().StreamJobResults(&context, request);
  JobStream stream;
  stream.next_offset = offset;
  pb::StreamJobResultsResponse response;
  while (reader->Read(&response)) {
    if (response.has_job()) {
      stream.job = response.job();
    } else {
      stream.results.push_back(response.result());
      on_result();
    }
    EXPECT_EQ(response.next_offset(), offset + static_cast<int64_t>(stream.results.size()));
    stream.next_offset = response.next_offset();
  }
  stream.status = reader->Finish();
  return stream;
}

bool JobServer::Reaches(const std::string& id, pb::JobState state) {
  for (int i = 0; i < 2000; ++i) {
    if (Get(id).answer.state() == state) return true;
    absl::SleepFor(absl::Milliseconds(10));
  }
  return false;
}

}  // namespace ablate
