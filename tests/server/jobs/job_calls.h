// A server that keeps jobs in the test's folder, and the calls on them.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "ablation/v1/jobs.pb.h"
#include "tests/server/jobs/open_jobs.h"
#include "tests/server/scan_call.h"
#include "tests/server/test_server.h"

namespace ablate {

// What came of a call, and its answer.
template <typename Answer>
struct Answered {
  grpc::Status status;
  Answer answer;
};

struct JobStream {
  grpc::Status status;
  // In order of arrival.
  std::vector<ablation::v1::AblateResponse> results;
  // Behind the last result.
  int64_t next_offset = 0;
  // As it came last; default where it did not.
  ablation::v1::Job job;

  int64_t rows() const;
  // Those that have rows, rising.
  std::vector<int32_t> prompts() const;
};

// With `max_packed_tokens` P a batch may cost P (TestServer::Serve); batches of jobs have one prompt at first.
class JobServer {
 public:
  explicit JobServer(int64_t max_pages = 0, ServerOptions options = {}, int64_t max_packed_tokens = 1000);

  TestServer& server() { return server_; }
  FakeDevice& device() { return server_.device(); }
  ablation::v1::AblationService::Stub& stub() { return server_.stub(); }

  Answered<ablation::v1::Job> Submit(const std::vector<ablation::v1::SubmitJobRequest>& parts);
  Answered<ablation::v1::Job> Submit(const ablation::v1::AblateRequest& request, const std::string& request_id = "");
  Answered<ablation::v1::Job> Get(const std::string& id);
  Answered<ablation::v1::ListJobsResponse> List(const ablation::v1::ListJobsRequest& request = {});
  Answered<ablation::v1::Job> Cancel(const std::string& id);
  grpc::Status Delete(const std::string& id);
  // Reads to the end; `on_result` is called behind each result.
  JobStream Stream(const std::string& id, int64_t offset = 0, const std::function<void()>& on_result = [] {});

  // Waits until it is so; false after 20 s.
  bool Reaches(const std::string& id, ablation::v1::JobState state);

 private:
  TestServer server_;
};

}  // namespace ablate
