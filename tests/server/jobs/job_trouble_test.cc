// What brings a job's server down, or has its engine fail.
#include <atomic>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

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

ServerOptions Impatient() {
  return {.job_engine_pause = absl::Milliseconds(1)};
}

TEST(JobTroubleTest, APromptWithWhichTheEngineFailsIsSetAside) {
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
    EXPECT_THAT(stream.prompts(), ElementsAre(0, 1, 2, 4, 5, 6, 7, 8, 9));
  }
}

// There is no prompt behind it that could tell.
TEST(JobTroubleTest, TheLastPromptIsSetAsideToo) {
  JobServer server(0, Impatient());
  server.device().FailWhere([](const Scan& scan) { return scan.token_ids == std::vector<int32_t>{9}; });
  const JobStream stream = server.Stream(server.Submit(ManyPrompts(10)).answer.id());
  EXPECT_EQ(stream.job.state(), pb::JOB_STATE_PARTIAL);
  ASSERT_EQ(stream.job.skipped_prompts_size(), 1);
  EXPECT_EQ(stream.job.skipped_prompts(0).prompt_index(), 9);
}

TEST(JobTroubleTest, AnErrorThatGoesAwayCostsNothing) {
  JobServer server(0, Impatient(), /*max_packed_tokens=*/14);
  std::atomic<int> left = 2;
  server.device().FailWhere(
      [&left](const Scan& scan) { return scan.token_ids == std::vector<int32_t>{3} && left-- > 0; });
  const JobStream stream = server.Stream(server.Submit(ManyPrompts(10)).answer.id());
  EXPECT_EQ(stream.job.state(), pb::JOB_STATE_SUCCEEDED);
  EXPECT_EQ(stream.rows(), 70);
}

// It was five minutes before each of its tries for everybody.
TEST(JobTroubleTest, AJobInTroubleHoldsUpNoOther) {
  JobServer server(0, {.job_engine_pause = absl::Hours(1)});
  server.device().FailWhere([](const Scan& scan) { return scan.token_ids == std::vector<int32_t>{3}; });
  const std::string id = server.Submit(ManyPrompts(10)).answer.id();
  EXPECT_EQ(server.Stream(server.Submit(ScanRequest("a")).answer.id()).job.state(), pb::JOB_STATE_SUCCEEDED);
  const pb::Job job = server.Get(id).answer;
  EXPECT_EQ(job.state(), pb::JOB_STATE_RUNNING);
  EXPECT_THAT(job.waiting_reason(), HasSubstr("the engine failed with it"));
  EXPECT_EQ(server.Cancel(id).answer.state(), pb::JOB_STATE_CANCELLED);
  EXPECT_EQ(server.Get(id).answer.waiting_reason(), "");
}

// Each prompt had a run, and a copy of the whole request, of its own.
TEST(JobTroubleTest, BadPromptsAreFoundInHalves) {
  JobServer server(0, Impatient());
  server.device().FailWhere([](const Scan& scan) { return scan.token_ids[0] == 1 || scan.token_ids[0] == 99; });
  const auto ids = [](int prompt) { return std::vector<int32_t>(prompt == 40 ? 1 : 2, prompt); };
  const JobStream stream = server.Stream(server.Submit(AnsweredPrompts(100, ids)).answer.id());
  EXPECT_EQ(stream.job.state(), pb::JOB_STATE_PARTIAL);
  ASSERT_EQ(stream.job.skipped_prompts_size(), 2);
  EXPECT_EQ(stream.job.skipped_prompts(0).prompt_index(), 1);
  EXPECT_EQ(stream.job.skipped_prompts(1).prompt_index(), 99);
  EXPECT_EQ(stream.prompts().size(), 98U);
  const auto runs = server.device().runs();
  EXPECT_LT(runs.size(), 60U);
  // The cheapest one again, since nothing had gone through behind the last one.
  EXPECT_THAT(runs.back(), ElementsAre(ElementsAre(40)));
}

TEST(JobTroubleTest, AJobOfWhichNoPromptRunsFailsAndNoOther) {
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
TEST(JobTroubleTest, AnEngineThatRunsNothingEndsNoJob) {
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

// What a process leaves that died of `signal` (0: was killed, nobody knows by whom) while it ran these prompts of the
// first job.
void LeaveWreck(const std::vector<int32_t>& prompts, int signal) {
  std::string boot;
  std::ifstream("/proc/sys/kernel/random/boot_id") >> boot;
  std::ofstream ledger(std::filesystem::path(JobsFolder()) / "running");
  ledger << "b " << boot << " -1\n";
  for (const int32_t prompt : prompts) ledger << "r 1 " << prompt << '\n';
  if (signal != 0) ledger << "s " << signal << '\n';
}

TEST(JobTroubleTest, SuspectsRunAloneAndWhatCrashedTwiceIsSetAside) {
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
  EXPECT_THAT(stream.prompts(), Not(Contains(26)));
  EXPECT_EQ(stream.prompts().size(), 29U);
  EXPECT_EQ(stream.results.back().completion().rows(), stream.rows());
  // The first run is the suspect's that is not set aside.
  EXPECT_EQ(server.device().runs().at(0).size(), 1U);
}

// Prepared, or summed up, it would bring down one server after the other.
TEST(JobTroubleTest, AJobThatCrashesTheServerOutsideOfItsPromptsFails) {
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
TEST(JobTroubleTest, APromptOfTwoScansIsBlamedAsOne) {
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
