// Jobs on their way through a server: cancelled, drained, behind others, on a full disk, with prompts that crash it.
#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <set>
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
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr int64_t kOnePrompt = 14;  // Packed tokens of a batch that has room for one prompt of one token.

std::vector<int32_t> PromptsOf(const JobStream& stream) {
  std::vector<int32_t> prompts;
  for (const pb::AblateResponse& result : stream.results) {
    const auto& column = result.row_block().prompt_index();
    prompts.insert(prompts.end(), column.begin(), column.end());
  }
  std::sort(prompts.begin(), prompts.end());
  prompts.erase(std::unique(prompts.begin(), prompts.end()), prompts.end());
  return prompts;
}

// What a process leaves that died of `signal` (0: was killed, nobody knows by whom) while it ran these prompts of the first job.
void LeaveWreck(const std::vector<int32_t>& prompts, int signal) {
  std::string boot;
  std::ifstream("/proc/sys/kernel/random/boot_id") >> boot;
  std::ofstream ledger(std::filesystem::path(JobsFolder()) / "running");
  ledger << "b " << boot << " -1\n";
  for (const int32_t prompt : prompts) ledger << "r 1 " << prompt << '\n';
  if (signal != 0) ledger << "s " << signal << '\n';
}

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
  EXPECT_EQ(PromptsOf(before).size() + PromptsOf(after).size(), 20U);
  // What the first one had stored was not computed again.
  EXPECT_EQ(next.device().runs().size(), 15U);
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

ServerOptions Impatient() {
  return {.job_engine_pause = absl::Milliseconds(1)};
}

TEST(JobRunTest, APromptWithWhichTheEngineFailsIsSetAside) {
  for (const char* reason : {"ENGINE_FAILED", "OUT_OF_MEMORY"}) {
    JobServer server(0, Impatient());
    server.device().FailWhere([](const Scan& scan) { return scan.token_ids == std::vector<int32_t>{3}; },
                              reason == std::string("ENGINE_FAILED") ? absl::InternalError("no such kernel")
                                                                     : absl::ResourceExhaustedError("no such memory"));
    const JobStream stream = server.Stream(server.Submit(ManyPrompts(10)).answer.id());
    EXPECT_EQ(stream.job.state(), pb::JOB_STATE_PARTIAL) << stream.job.DebugString();
    ASSERT_EQ(stream.job.skipped_prompts_size(), 1);
    EXPECT_EQ(stream.job.skipped_prompts(0).prompt_index(), 3);
    EXPECT_THAT(stream.job.skipped_prompts(0).reason(), HasSubstr("the engine failed: no such"));
    EXPECT_THAT(PromptsOf(stream), ElementsAre(0, 1, 2, 4, 5, 6, 7, 8, 9));
  }
}

// There is no prompt behind it that could tell.
TEST(JobRunTest, TheLastPromptIsSetAsideToo) {
  JobServer server(0, Impatient());
  server.device().FailWhere([](const Scan& scan) { return scan.token_ids == std::vector<int32_t>{9}; });
  const JobStream stream = server.Stream(server.Submit(ManyPrompts(10)).answer.id());
  EXPECT_EQ(stream.job.state(), pb::JOB_STATE_PARTIAL);
  ASSERT_EQ(stream.job.skipped_prompts_size(), 1);
  EXPECT_EQ(stream.job.skipped_prompts(0).prompt_index(), 9);
}

TEST(JobRunTest, AnErrorThatGoesAwayCostsNothing) {
  JobServer server(0, Impatient(), kOnePrompt);
  std::atomic<int> left = 2;
  server.device().FailWhere(
      [&left](const Scan& scan) { return scan.token_ids == std::vector<int32_t>{3} && left-- > 0; });
  const JobStream stream = server.Stream(server.Submit(ManyPrompts(10)).answer.id());
  EXPECT_EQ(stream.job.state(), pb::JOB_STATE_SUCCEEDED);
  EXPECT_EQ(stream.rows(), 70);
}

TEST(JobRunTest, AJobOfWhichNoPromptRunsFailsAndNoOther) {
  JobServer server(0, Impatient());
  server.device().FailWhere([](const Scan& scan) { return scan.token_ids.size() == 2; });
  pb::AblateRequest request = ScanRequest("ab");
  *request.add_prompts() = request.prompts(0);
  const std::string failed = server.Submit(request).answer.id();
  const std::string next = server.Submit(ManyPrompts(2)).answer.id();
  const JobStream stream = server.Stream(failed);
  EXPECT_EQ(stream.job.state(), pb::JOB_STATE_FAILED);
  EXPECT_EQ(stream.job.error().reason(), "ENGINE_FAILED");
  EXPECT_EQ(stream.job.error().code(), static_cast<int>(grpc::StatusCode::INTERNAL));
  EXPECT_THAT(stream.job.error().message(), HasSubstr("no such kernel"));
  EXPECT_EQ(server.Stream(next).job.state(), pb::JOB_STATE_SUCCEEDED);
}

// A CUDA error that sticks failed every job in the queue within seconds.
TEST(JobRunTest, AnEngineThatRunsNothingEndsNoJob) {
  JobServer server(0, Impatient());
  server.device().FailWhere([](const Scan& /*scan*/) { return true; });
  std::vector<std::string> ids;
  for (int i = 0; i < 3; ++i) ids.push_back(server.Submit(ManyPrompts(3)).answer.id());
  ASSERT_TRUE(server.device().WaitForRuns(12));
  EXPECT_EQ(server.Get(ids[0]).answer.state(), pb::JOB_STATE_RUNNING);
  EXPECT_EQ(server.Get(ids[1]).answer.state(), pb::JOB_STATE_QUEUED);
  EXPECT_EQ(server.Cancel(ids[0]).answer.state(), pb::JOB_STATE_CANCELLED);
  server.device().FailWhere(nullptr);
  for (int i = 1; i < 3; ++i) {
    EXPECT_EQ(server.Stream(ids[static_cast<size_t>(i)]).job.state(), pb::JOB_STATE_SUCCEEDED);
  }
}

// A prompt swept over all pairs held the device for as long as it took.
TEST(JobRunTest, AScanGoesThroughBetweenTwoChunksOfAPrompt) {
  JobServer server;
  server.device().SetBlocks({.rows = 1});
  absl::Notification runs, waits, passed;
  int n = 0;
  server.device().SetBetweenBlocks([&] {
    ++n;
    if (n == 1) {
      runs.Notify();
      waits.WaitForNotification();
    } else if (n == 3) {
      EXPECT_TRUE(passed.WaitForNotificationWithTimeout(absl::Seconds(10)));
    }
  });
  const std::string id = server.Submit(ScanRequest("a")).answer.id();
  runs.WaitForNotification();
  ScanCall scan(server.stub(), ScanRequest("b"));
  ASSERT_TRUE(scan.Admitted());
  server.device().SetBlocks({});
  waits.Notify();
  EXPECT_TRUE(scan.Wait().status.ok());
  passed.Notify();
  const JobStream stream = server.Stream(id);
  EXPECT_EQ(stream.job.state(), pb::JOB_STATE_SUCCEEDED);
  EXPECT_EQ(stream.rows(), 7);
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

TEST(JobRunTest, SuspectsRunAloneAndWhatCrashedTwiceIsSetAside) {
  std::string id;
  {
    JobServer server;
    server.device().Pause();
    id = server.Submit(SummarizedPrompts(30)).answer.id();
    ASSERT_TRUE(server.device().WaitForRuns(1));
    server.device().Resume();
    server.server().server().Drain(absl::ZeroDuration());
  }
  LeaveWreck({25, 26}, SIGSEGV);
  ASSERT_TRUE(OpenJobs() != nullptr);
  LeaveWreck({26}, SIGSEGV);
  JobServer server(0, {}, /*max_packed_tokens=*/100000);
  const JobStream stream = server.Stream(id);
  EXPECT_EQ(stream.job.state(), pb::JOB_STATE_PARTIAL);
  ASSERT_EQ(stream.job.skipped_prompts_size(), 1);
  EXPECT_EQ(stream.job.skipped_prompts(0).prompt_index(), 26);
  EXPECT_THAT(stream.job.skipped_prompts(0).reason(), HasSubstr("crashed 2 times"));
  EXPECT_EQ(stream.job.prompts_done(), 29);
  EXPECT_THAT(PromptsOf(stream), Not(Contains(26)));
  EXPECT_EQ(PromptsOf(stream).size(), 29U);
  EXPECT_EQ(stream.results.back().completion().rows(), stream.rows());
  // The first run is the suspect's that is not set aside.
  EXPECT_EQ(server.device().runs().at(0).size(), 1U);
}

// Prepared, or summed up, it would bring down one server after the other.
TEST(JobRunTest, AJobThatCrashesTheServerOutsideOfItsPromptsFails) {
  {
    const auto store = OpenJobs();
    for (int i = 0; i < 2; ++i) ASSERT_TRUE(store->Submit(SomeJob()).ok());
  }
  LeaveWreck({kWholeJob}, SIGSEGV);
  EXPECT_EQ(OpenJobs()->GetByNumber(1)->job.state(), pb::JOB_STATE_QUEUED);
  LeaveWreck({kWholeJob}, SIGSEGV);
  const auto store = OpenJobs();
  const pb::Job job = store->GetByNumber(1)->job;
  EXPECT_EQ(job.state(), pb::JOB_STATE_FAILED);
  EXPECT_EQ(job.error().reason(), "SERVER_CRASHED");
  EXPECT_THAT(job.error().message(), HasSubstr("crashed 2 times while it prepared this job"));
  EXPECT_THAT(job.skipped_prompts(), IsEmpty());
  EXPECT_EQ(store->GetByNumber(2)->job.state(), pb::JOB_STATE_QUEUED);
}

// A pair's denoising and noising are two scans of one prompt: it is alone all the same.
TEST(JobRunTest, APromptOfTwoScansIsBlamedAsOne) {
  ASSERT_TRUE(OpenJobs()->Submit(SomeJob()).ok());
  for (int i = 0; i < 2; ++i) {
    LeaveWreck({1, 1}, SIGSEGV);
    ASSERT_TRUE(OpenJobs() != nullptr);
  }
  const pb::Job job = OpenJobs()->GetByNumber(1)->job;
  ASSERT_EQ(job.skipped_prompts_size(), 1);
  EXPECT_THAT(job.skipped_prompts(0).reason(), HasSubstr("crashed 2 times"));
}

}  // namespace
}  // namespace ablate
