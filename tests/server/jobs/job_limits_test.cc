// What a job may be, beside whose, and what its client is told of it.
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/jobs/job_calls.h"
#include "tests/server/log_capture.h"

namespace ablate {
namespace {

namespace pb = ::ablation::v1;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr int64_t kOnePrompt = 14;  // Packed tokens of a batch that has room for one prompt of one token.

TEST(JobLimitsTest, AJobWhoseResultsTheStoreWouldDropIsRefused) {
  JobServer server(0, {.job_retention = {.bytes = 20'000}});
  ASSERT_TRUE(server.Submit(ManyPrompts(2)).status.ok());
  pb::AblateRequest many = ManyPrompts(200);
  pb::AblateRequest ordered = AnsweredPrompts(20, [](int prompt) { return std::vector<int32_t>{prompt}; });
  ordered.mutable_sweep()->mutable_cumulative();
  ordered.mutable_readout()->set_top_k(100);
  for (const pb::AblateRequest& request : {many, ordered}) {
    const grpc::Status refused = server.Submit(request).status;
    EXPECT_EQ(refused.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
    const Details details = DetailsOf(refused);
    EXPECT_EQ(details.info.reason(), "RESULTS_TOO_LARGE");
    EXPECT_EQ(details.quota.violations_size(), 1);
    EXPECT_FALSE(details.retry.has_retry_delay());
    EXPECT_THAT(refused.error_message(), HasSubstr("expected at most 20000 (--max-job-store-bytes)"));
  }
  EXPECT_EQ(server.List().answer.jobs_size(), 1);
}

TEST(JobLimitsTest, SoManyJobsMayWait) {
  JobServer server(0, {.max_open_jobs = 2});
  server.device().Pause();
  const std::string first = server.Submit(ScanRequest("a")).answer.id();
  ASSERT_TRUE(server.Submit(ScanRequest("b")).status.ok());
  const grpc::Status refused = server.Submit(ScanRequest("c")).status;
  EXPECT_EQ(refused.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(DetailsOf(refused).info.reason(), "TOO_MANY_JOBS");
  EXPECT_TRUE(DetailsOf(refused).retry.has_retry_delay());
  ASSERT_TRUE(server.Cancel(first).status.ok());
  EXPECT_TRUE(server.Submit(ScanRequest("c")).status.ok());
  server.device().Resume();
}

TEST(JobLimitsTest, AJobBegunInAnotherArithmeticWaitsAndHoldsUpNobody) {
  {
    NewJob other = SomeJob("", ScanRequest("a").SerializeAsString());
    other.weights_sha256 = FakeEngine(std::make_shared<FakeDevice>()).Describe().weights_sha256;
    const auto store = OpenJobs();
    const int64_t number = store->Submit(other)->number;
    ASSERT_TRUE(store->MarkRunning(number, "tf32 on cuda").ok());
    ASSERT_TRUE(store->AddHead(number, {"head"}, 1).ok());
  }
  const LogCapture log;
  JobServer server;
  EXPECT_THAT(log.LinesWith("jobs: "), ElementsAre("warning: jobs: 1 wait for another model or another kind of server "
                                                   "(ablate job list)"));
  const pb::Job waiting = server.List().answer.jobs(0);
  EXPECT_EQ(waiting.state(), pb::JOB_STATE_QUEUED);
  EXPECT_THAT(waiting.waiting_reason(), HasSubstr("begun in tf32 on cuda; this server computes in float32 on cpu"));
  EXPECT_THAT(waiting.waiting_reason(), HasSubstr("submit it again under another request_id, or delete it"));
  EXPECT_FALSE(waiting.has_remaining_ms());
  const pb::Job job = server.Submit(ScanRequest("a")).answer;
  EXPECT_EQ(job.waiting_reason(), "");
  EXPECT_EQ(job.queue_position(), 0);
  EXPECT_EQ(server.Stream(job.id()).job.state(), pb::JOB_STATE_SUCCEEDED);
  EXPECT_EQ(server.Get(waiting.id()).answer.state(), pb::JOB_STATE_QUEUED);
}

TEST(JobLimitsTest, AListTellsTheTurnsThatEachJobTells) {
  JobServer server;
  server.device().Pause();
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(server.Submit(ScanRequest("a")).status.ok());
  ASSERT_TRUE(server.device().WaitForRuns(1));
  const auto list = server.List().answer;
  ASSERT_EQ(list.jobs_size(), 5);
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(list.jobs(i).queue_position(), 4 - i);
    EXPECT_EQ(server.Get(list.jobs(i).id()).answer.queue_position(), 4 - i);
  }
  server.device().Resume();
}

// A stream of what is stored went on for as long as the job that it followed.
TEST(JobLimitsTest, OnlyWhatIsStoredEndsWhereThatEndedAtFirst) {
  JobServer server(0, {.max_stream_bytes = 1}, kOnePrompt);
  server.device().Allow(300);
  const std::string id = server.Submit(ManyPrompts(400, 100)).answer.id();
  ASSERT_TRUE(server.device().WaitForRuns(301));
  while (server.Get(id).answer.prompts_done() < 300) absl::SleepFor(absl::Milliseconds(10));
  const int64_t stored = server.Get(id).answer.n_results();

  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
  pb::StreamJobResultsRequest request;
  request.set_id(id);
  request.set_only_stored(true);
  const auto reader = server.stub().StreamJobResults(&context, request);
  pb::StreamJobResultsResponse response;
  ASSERT_TRUE(reader->Read(&response));
  // The connection takes less than what is stored: the server still has some of it to send.
  server.device().Allow(50);
  while (server.Get(id).answer.prompts_done() < 350) absl::SleepFor(absl::Milliseconds(10));
  int64_t results = 1;
  while (reader->Read(&response)) {
    if (response.has_result()) ++results;
  }
  EXPECT_TRUE(reader->Finish().ok());
  EXPECT_EQ(results, stored);
  EXPECT_EQ(response.next_offset(), stored);
  EXPECT_EQ(response.job().state(), pb::JOB_STATE_RUNNING);
  server.device().Resume();
}

// Waiting for a job's batch came on top of it.
TEST(JobLimitsTest, ADrainTakesNoLongerThanItMayForAJob) {
  constexpr absl::Duration kMay = absl::Seconds(2);
  JobServer server(0, {}, kOnePrompt);
  server.device().Pause();
  ASSERT_TRUE(server.Submit(ManyPrompts(20)).status.ok());
  ASSERT_TRUE(server.device().WaitForRuns(1));
  ScanCall scan(server.stub(), ManyPrompts(20));
  ASSERT_TRUE(scan.Admitted());
  std::thread drain([&] { server.server().server().Drain(kMay); });
  EXPECT_TRUE(server.device().WaitForCancelled());
  absl::SleepFor(kMay);
  const absl::Time begin = absl::Now();
  server.device().Allow(1);
  EXPECT_FALSE(scan.Wait().status.ok());
  EXPECT_LT(absl::Now() - begin, kMay / 2);
  server.device().Resume();
  drain.join();
}

TEST(JobLimitsTest, WhyThereAreNoJobsIsTold) {
  TestServer server({.why_no_jobs = "another server uses the folder /jobs"});
  server.Serve();
  grpc::ClientContext context;
  pb::GetJobResponse response;
  const grpc::Status refused = server.stub().GetJob(&context, {}, &response);
  EXPECT_EQ(refused.error_message(),
            "this server keeps no jobs, since another server uses the folder /jobs: start it with --jobs-dir");
}

}  // namespace
}  // namespace ablate
