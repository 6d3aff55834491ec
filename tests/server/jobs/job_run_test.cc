// Jobs on their way through a server: cancelled, drained, behind others, on a full disk.
#include <string>
#include <thread>
#include <vector>

#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/jobs/job_calls.h"

namespace ablate {
namespace {

namespace pb = ::ablation::v1;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr int64_t kOnePrompt = 14;  // Packed tokens of a batch that has room for one prompt of one token.

TEST(JobRunTest, GivesWhatAblateStreams) {
  JobServer server;
  const pb::AblateRequest request = SummarizedPrompts(30);
  const ScanResult scan = RunScan(server.stub(), request);
  const std::string id = server.Submit(request).answer.id();
  const JobStream job = server.Stream(id);
  ASSERT_TRUE(scan.status.ok() && job.status.ok()) << job.status.error_message();
  EXPECT_EQ(job.job.state(), pb::JOB_STATE_SUCCEEDED);
  EXPECT_EQ(job.job.prompts_done(), 30);
  EXPECT_EQ(job.job.cost_done(), job.job.cost());
  EXPECT_EQ(job.rows(), scan.rows());
  EXPECT_EQ(job.results.front().manifest().SerializeAsString(), scan.manifest().SerializeAsString());
  EXPECT_EQ(job.results.back().completion().rows(), scan.completion().rows());
  const pb::Timing& timing = job.results.back().completion().timing();
  EXPECT_EQ(timing.forward_ns(), 1000 * timing.forward_passes());
  EXPECT_EQ(timing.readout_ns(), 100 * timing.forward_passes());
  EXPECT_GE(timing.peak_bytes(), 6 * FakeEngine::kVariantBytes);
  EXPECT_EQ(timing.send_ns(), 0) << "it is stored, and sent as often as anybody likes";
  std::vector<std::string> summaries[2];
  for (const auto& result : scan.responses) {
    if (result.has_summary_head() || result.has_summary_block()) summaries[0].push_back(result.SerializeAsString());
  }
  for (const auto& result : job.results) {
    if (result.has_summary_head() || result.has_summary_block()) summaries[1].push_back(result.SerializeAsString());
  }
  EXPECT_THAT(summaries[0], Not(IsEmpty()));
  EXPECT_EQ(summaries[0], summaries[1]);
}

TEST(JobRunTest, CancelledInTheMiddleStopsAtTheNextBatch) {
  JobServer server(0, {}, kOnePrompt);
  server.device().Allow(3);
  const std::string id = server.Submit(ManyPrompts(100)).answer.id();
  ASSERT_TRUE(server.device().WaitForRuns(4));
  const auto cancelled = server.Cancel(id);
  EXPECT_EQ(cancelled.answer.state(), pb::JOB_STATE_CANCELLED);
  const int64_t stored = cancelled.answer.n_results();
  server.device().Resume();
  const JobStream stream = server.Stream(id);
  EXPECT_TRUE(stream.status.ok());
  EXPECT_EQ(stream.job.state(), pb::JOB_STATE_CANCELLED);
  EXPECT_EQ(stream.next_offset, stored);
  ASSERT_TRUE(RunScan(server.stub(), ScanRequest("a")).status.ok());
  // Those that passed, the one that was under way, and the scan's.
  EXPECT_EQ(server.device().runs().size(), 5U);
}

TEST(JobRunTest, DeletedWhileItRunsItStopsAndItsStreamsEnd) {
  JobServer server(0, {}, kOnePrompt);
  server.device().Allow(3);
  const std::string id = server.Submit(ManyPrompts(100)).answer.id();
  JobStream stream;
  std::thread reader([&] { stream = server.Stream(id); });
  ASSERT_TRUE(server.device().WaitForRuns(4));
  EXPECT_TRUE(server.Delete(id).ok());
  server.device().Resume();
  reader.join();
  EXPECT_EQ(stream.status.error_code(), grpc::StatusCode::NOT_FOUND);
  ASSERT_TRUE(RunScan(server.stub(), ScanRequest("a")).status.ok());
  EXPECT_EQ(server.device().runs().size(), 5U);
  EXPECT_EQ(server.Stream(server.Submit(ScanRequest("b")).answer.id()).job.state(), pb::JOB_STATE_SUCCEEDED);
}

TEST(JobRunTest, ADrainEndsItsStreamAndTheNextServerGoesOn) {
  std::string id;
  JobStream before;
  {
    JobServer server(0, {}, kOnePrompt);
    server.device().Allow(5);
    id = server.Submit(ManyPrompts(20)).answer.id();
    ASSERT_TRUE(server.device().WaitForRuns(6));
    absl::Notification reads;
    std::thread reader([&] {
      before = server.Stream(id, 0, [&reads] {
        if (!reads.HasBeenNotified()) reads.Notify();
      });
    });
    reads.WaitForNotification();
    while (server.Get(id).answer.prompts_done() < 5) absl::SleepFor(absl::Milliseconds(1));
    std::thread drain([&] { server.server().server().Drain(absl::Seconds(20)); });
    // The run that is under way learns of it.
    EXPECT_TRUE(server.device().WaitForCancelled());
    server.device().Resume();
    drain.join();
    reader.join();
  }
  EXPECT_EQ(before.status.error_code(), grpc::StatusCode::UNAVAILABLE);
  const Details details = DetailsOf(before.status);
  EXPECT_EQ(details.info.reason(), "DRAINING");
  EXPECT_TRUE(details.retry.has_retry_delay());
  EXPECT_THAT(before.status.error_message(), HasSubstr(absl::StrCat("go on from offset ", before.next_offset)));

  JobServer next(0, {}, kOnePrompt);
  const JobStream after = next.Stream(id, before.next_offset);
  EXPECT_EQ(after.job.state(), pb::JOB_STATE_SUCCEEDED) << after.status.error_message();
  EXPECT_EQ(before.rows() + after.rows(), 140);
  EXPECT_EQ(before.prompts().size() + after.prompts().size(), 20U);
  // What the first one had stored was not computed again.
  EXPECT_EQ(next.device().runs().size(), 15U);
  // Its times are those of both servers.
  const pb::Timing& timing = after.results.back().completion().timing();
  EXPECT_EQ(timing.forward_passes(), 20);
  EXPECT_EQ(timing.plan_ns(), 20);
  EXPECT_EQ(timing.forward_ns(), 20'000);
  EXPECT_EQ(timing.peak_bytes(), 6 * FakeEngine::kVariantBytes);
  EXPECT_THAT(next.Get(id).answer.skipped_prompts(), IsEmpty());
}

TEST(JobRunTest, AnotherModelsJobWaitsAndHoldsUpNobody) {
  {
    NewJob other = SomeJob("", ScanRequest("a").SerializeAsString());
    other.weights_sha256 = "another";
    ASSERT_TRUE(OpenJobs()->Submit(other).ok());
  }
  JobServer server;
  const pb::Job waiting = server.List().answer.jobs(0);
  EXPECT_EQ(waiting.state(), pb::JOB_STATE_QUEUED);
  EXPECT_THAT(waiting.waiting_reason(), HasSubstr("the model with weights_sha256 `another`"));
  EXPECT_THAT(waiting.waiting_reason(), HasSubstr(": start a server with that model, or cancel it"));
  const pb::Job job = server.Submit(ScanRequest("a")).answer;
  EXPECT_EQ(job.waiting_reason(), "");
  EXPECT_EQ(job.queue_position(), 0) << "the one before it does not run before it";
  EXPECT_EQ(server.Stream(job.id()).job.state(), pb::JOB_STATE_SUCCEEDED);
  EXPECT_EQ(server.Get(waiting.id()).answer.state(), pb::JOB_STATE_QUEUED);
  EXPECT_EQ(server.Cancel(waiting.id()).answer.state(), pb::JOB_STATE_CANCELLED);
}

// One such job ended FAILED.
TEST(JobRunTest, WhatWasAcceptedRunsUnderLowerLimits) {
  {
    NewJob accepted = SomeJob("", ManyPrompts(3).SerializeAsString());
    accepted.weights_sha256 = FakeEngine(std::make_shared<FakeDevice>()).Describe().weights_sha256;
    ASSERT_TRUE(OpenJobs()->Submit(accepted).ok());
  }
  JobServer server(0, {.job_limits = {.cost = 1, .tokens = 1}});
  const JobStream stream = server.Stream(server.List().answer.jobs(0).id());
  EXPECT_EQ(stream.job.state(), pb::JOB_STATE_SUCCEEDED) << stream.job.DebugString();
}

TEST(JobRunTest, TellsHowManyRunBefore) {
  JobServer server;
  server.device().Pause();
  std::vector<std::string> ids;
  for (int i = 0; i < 3; ++i) ids.push_back(server.Submit(ScanRequest("a")).answer.id());
  for (int i = 0; i < 3; ++i) EXPECT_EQ(server.Get(ids[static_cast<size_t>(i)]).answer.queue_position(), i);
  server.device().Resume();
  EXPECT_TRUE(server.Reaches(ids[2], pb::JOB_STATE_SUCCEEDED));
  EXPECT_EQ(server.Get(ids[2]).answer.queue_position(), 0);
}

TEST(JobRunTest, ScansGoFirstAndStarveNoJob) {
  JobServer server(0, {}, kOnePrompt);
  server.device().Pause();
  const std::string id = server.Submit(ManyPrompts(50)).answer.id();
  ASSERT_TRUE(server.device().WaitForRuns(1));
  ScanCall scan(server.stub(), ManyPrompts(40));
  ASSERT_TRUE(scan.Admitted());
  server.device().Resume();
  EXPECT_TRUE(scan.Wait().status.ok());
  // In the meantime every tenth batch was the job's: by the end of the scan it has had 4 or 5 beside the first one.
  const size_t of_job = server.device().runs().size() - 40;
  EXPECT_GE(of_job, 4U);
  EXPECT_LE(of_job, 12U);
  EXPECT_TRUE(server.Reaches(id, pb::JOB_STATE_SUCCEEDED));
}

// Leave some 450 KiB: one such job fits into the file with its tables, two do not.
constexpr int64_t kMaxPages = 250;
pb::AblateRequest LargeResults() {
  return ManyPrompts(60, 100);
}

TEST(JobRunTest, OnAFullDiskJobsAreRefusedAndReadsGoOn) {
  JobServer server(kMaxPages);
  const std::string first = server.Submit(LargeResults()).answer.id();
  ASSERT_TRUE(server.Reaches(first, pb::JOB_STATE_SUCCEEDED));
  pb::AblateRequest large = ScanRequest("a");
  for (int i = 0; i < 40'000; ++i) *large.add_prompts() = large.prompts(0);
  const grpc::Status refused = server.Submit(large, "f81d4fae-7dec-11d0-a765-00a0c91e6bf6").status;
  EXPECT_EQ(refused.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_THAT(refused.error_message(), HasSubstr("the disk is full"));
  EXPECT_EQ(DetailsOf(refused).info.reason(), "JOB_STORE_UNAVAILABLE");
  EXPECT_GT(DetailsOf(refused).retry.retry_delay().seconds(), 0);
  EXPECT_EQ(server.List().answer.jobs_size(), 1);
  EXPECT_EQ(server.Stream(first).rows(), 420);
}

// Nobody else gives pages back while a job runs.
TEST(JobRunTest, AFullDiskHoldsAJobUpUntilThereIsRoom) {
  JobServer server(kMaxPages);
  const std::string first = server.Submit(LargeResults()).answer.id();
  ASSERT_TRUE(server.Reaches(first, pb::JOB_STATE_SUCCEEDED));
  const std::string second = server.Submit(LargeResults()).answer.id();
  ASSERT_TRUE(server.Reaches(second, pb::JOB_STATE_RUNNING));
  absl::SleepFor(absl::Milliseconds(500));
  EXPECT_EQ(server.Get(second).answer.state(), pb::JOB_STATE_RUNNING);
  EXPECT_EQ(server.Stream(first).rows(), 420);
  ASSERT_TRUE(server.Delete(first).ok());
  EXPECT_TRUE(server.Reaches(second, pb::JOB_STATE_SUCCEEDED));
  EXPECT_EQ(server.Stream(second).rows(), 420);
}

// Nobody deletes what is old while a job runs.
TEST(JobRunTest, AFullDiskHasWhatIsOldDeleted) {
  JobServer server(kMaxPages, {.job_retention = {.age = absl::Milliseconds(100)}});
  const std::string first = server.Submit(LargeResults()).answer.id();
  ASSERT_TRUE(server.Reaches(first, pb::JOB_STATE_SUCCEEDED));
  absl::SleepFor(absl::Milliseconds(150));
  EXPECT_TRUE(server.Reaches(server.Submit(LargeResults()).answer.id(), pb::JOB_STATE_SUCCEEDED));
  EXPECT_EQ(server.Get(first).status.error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST(JobRunTest, AJobThatTheDiskHoldsUpCanBeCancelled) {
  JobServer server(kMaxPages);
  const std::string first = server.Submit(LargeResults()).answer.id();
  ASSERT_TRUE(server.Reaches(first, pb::JOB_STATE_SUCCEEDED));
  const std::string second = server.Submit(LargeResults()).answer.id();
  ASSERT_TRUE(server.Reaches(second, pb::JOB_STATE_RUNNING));
  absl::SleepFor(absl::Milliseconds(300));
  ASSERT_TRUE(server.Delete(second).ok());
  EXPECT_EQ(server.Stream(server.Submit(ScanRequest("b")).answer.id()).job.state(), pb::JOB_STATE_SUCCEEDED);
}

}  // namespace
}  // namespace ablate
