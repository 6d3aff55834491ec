#include "server/jobs/job_store.h"

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <iterator>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/jobs/open_jobs.h"

namespace ablate {
namespace {

namespace pb = ::ablation::v1;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr int64_t kNewest = std::numeric_limits<int64_t>::max();
const JobEngine kEngine = {.weights_sha256 = "w", .runs_as = ""};

std::vector<std::string> Stored(const JobStore& store, int64_t number, int64_t offset = 0) {
  const auto page = store.ReadResults(number, offset, 1 << 20);
  EXPECT_TRUE(page.ok()) << page.status();
  return page->messages;
}

// Runs `body` in a process that is killed at its end: nothing is closed, flushed or waited for.
template <typename Body>
void InProcessThatIsKilled(Body body) {
  const pid_t child = fork();
  if (child == 0) {
    body();
    kill(getpid(), SIGKILL);
  }
  int status = 0;
  waitpid(child, &status, 0);
  ASSERT_TRUE(WIFSIGNALED(status));
}

TEST(JobStoreTest, WhatWasAcceptedSurvivesTheProcess) {
  InProcessThatIsKilled([] {
    const auto store = OpenJobs();
    const auto job = store->Submit(SomeJob());
    if (!job.ok() || !store->AddHead(job->number, {"head"}, 100).ok()) abort();
    if (!store->AddResults(job->number, {{.prompt = 1, .cost = 7, .messages = {"a", "b"}}}).ok()) abort();
  });
  const auto store = OpenJobs();
  const auto next = store->NextToRun(kEngine);
  ASSERT_TRUE(next.ok() && next->has_value());
  EXPECT_EQ((*next)->job.prompts_done(), 1);
  EXPECT_EQ((*next)->job.cost_done(), 7);
  EXPECT_EQ((*next)->job.cost(), 100);
  EXPECT_EQ((*next)->job.result_bytes(), 6);
  EXPECT_THAT(store->PromptsDone(1).value(), ElementsAre(1));
  EXPECT_THAT(Stored(*store, 1), ElementsAre("head", "a", "b"));
}

// Over all of its parts, and over the sweep that chose its sites.
TEST(JobStoreTest, WhatAJobTookOfTheEngineAddsUp) {
  const auto store = OpenJobs();
  const int64_t job = store->Submit(SomeJob())->number;
  const EngineUse some = {.plan_ns = 1, .forward_ns = 20, .readout_ns = 3, .forward_passes = 4, .peak_bytes = 50};
  const EngineUse more = {.plan_ns = 2, .forward_ns = 30, .readout_ns = 4, .forward_passes = 5, .peak_bytes = 40};
  ASSERT_TRUE(store->AddChoices(job, {{.prompt = 0, .use = some, .messages = {"c"}}}).ok());
  ASSERT_TRUE(store->AddResults(job, {{.prompt = 0, .use = more, .messages = {}}}).ok());
  ASSERT_TRUE(store->AddResults(job, {{.prompt = 1, .messages = {}}, {.prompt = 2, .use = more, .messages = {}}}).ok());
  const EngineUse use = store->GetByNumber(job)->use;
  EXPECT_EQ(use.plan_ns, 5);
  EXPECT_EQ(use.forward_ns, 80);
  EXPECT_EQ(use.readout_ns, 11);
  EXPECT_EQ(use.forward_passes, 14);
  EXPECT_EQ(use.peak_bytes, 50);
}

TEST(JobStoreTest, AJobThatRanWaitsAgainUntilItIsTakenUp) {
  {
    const auto store = OpenJobs();
    ASSERT_TRUE(store->MarkRunning(store->Submit(SomeJob())->number, "").ok());
    EXPECT_EQ(store->GetByNumber(1)->job.state(), pb::JOB_STATE_RUNNING);
  }
  const auto job = OpenJobs()->GetByNumber(1);
  EXPECT_EQ(job->job.state(), pb::JOB_STATE_QUEUED);
  EXPECT_GT(job->job.started_unix_ms(), 0);
}

TEST(JobStoreTest, APromptIsThereOnceOrNotAtAll) {
  const auto store = OpenJobs();
  const int64_t job = store->Submit(SomeJob())->number;
  ASSERT_TRUE(store->AddResults(job, {{.prompt = 0, .cost = 1, .messages = {"a"}}}).ok());
  const absl::Status twice = store->AddResults(
      job, {{.prompt = 2, .cost = 1, .messages = {"c"}}, {.prompt = 0, .cost = 1, .messages = {"a again"}}});
  EXPECT_TRUE(absl::IsInternal(twice)) << twice;
  EXPECT_THAT(Stored(*store, job), ElementsAre("a"));
  EXPECT_THAT(store->PromptsDone(job).value(), ElementsAre(0));
  EXPECT_EQ(store->GetByNumber(job)->job.cost_done(), 1);
}

TEST(JobStoreTest, ARequestIdNamesOneRequestOfOneTenant) {
  const auto store = OpenJobs();
  const auto first = store->Submit(SomeJob("id", "x"));
  EXPECT_EQ(store->Submit(SomeJob("id", "x"))->job.id(), first->job.id());
  const auto other = store->Submit(SomeJob("id", "y"));
  EXPECT_TRUE(absl::IsInvalidArgument(other.status()));
  EXPECT_THAT(std::string(other.status().message()), HasSubstr("`id` is another request"));
  EXPECT_NE(store->Submit(SomeJob("id", "x", "somebody"))->job.id(), first->job.id());
  EXPECT_NE(store->Submit(SomeJob("", "x"))->job.id(), store->Submit(SomeJob("", "x"))->job.id());
}

TEST(JobStoreTest, FindsWhatAReplayWouldReturn) {
  const auto store = OpenJobs();
  EXPECT_FALSE(store->FindReplay(SomeJob("id", "x"))->has_value());
  EXPECT_FALSE(store->FindReplay(SomeJob("", "x"))->has_value());
  const auto job = store->Submit(SomeJob("id", "x"));
  EXPECT_EQ((*store->FindReplay(SomeJob("id", "x")))->job.id(), job->job.id());
  EXPECT_TRUE(absl::IsInvalidArgument(store->FindReplay(SomeJob("id", "y")).status()));
}

TEST(JobStoreTest, JobsOfAnotherTenantAreNotThere) {
  const auto store = OpenJobs();
  const std::string id = store->Submit(SomeJob("", "x", "a"))->job.id();
  EXPECT_TRUE(absl::IsNotFound(store->Get("b", id).status()));
  EXPECT_EQ(store->Get("b", id).status(), store->Get("b", id).status());
  EXPECT_TRUE(absl::IsNotFound(store->Cancel("b", id).status()));
  EXPECT_TRUE(absl::IsNotFound(store->Delete("b", id)));
  EXPECT_THAT(store->List("b", {}, kNewest, 10)->jobs, IsEmpty());
  EXPECT_EQ(store->Get("a", id)->job.state(), pb::JOB_STATE_QUEUED);
}

TEST(JobStoreTest, PagesOverAThousandJobsMissNoneWhileNewOnesCome) {
  const auto store = OpenJobs();
  std::set<std::string> expected, seen;
  for (int i = 0; i < 1000; ++i) expected.insert(store->Submit(SomeJob())->job.id());
  int64_t before = kNewest;
  for (bool more = true; more;) {
    const auto page = store->List("", {}, before, 77);
    ASSERT_TRUE(page.ok());
    for (const StoredJob& job : page->jobs) EXPECT_TRUE(seen.insert(job.job.id()).second);
    before = page->jobs.back().number;
    more = page->has_more;
    ASSERT_TRUE(store->Submit(SomeJob()).ok());
  }
  EXPECT_EQ(seen, expected);
}

TEST(JobStoreTest, ListsByState) {
  const auto store = OpenJobs();
  const std::string cancelled = store->Submit(SomeJob())->job.id();
  store->Submit(SomeJob()).IgnoreError();
  ASSERT_TRUE(store->Cancel("", cancelled).ok());
  const auto page = store->List("", {pb::JOB_STATE_CANCELLED, pb::JOB_STATE_FAILED}, kNewest, 10);
  ASSERT_EQ(page->jobs.size(), 1U);
  EXPECT_EQ(page->jobs[0].job.id(), cancelled);
  EXPECT_GT(page->jobs[0].job.ended_unix_ms(), 0);
}

TEST(JobStoreTest, WhatHasEndedStaysAsItEnded) {
  const auto store = OpenJobs();
  const auto job = store->Submit(SomeJob());
  ASSERT_TRUE(store->Cancel("", job->job.id()).ok());
  EXPECT_TRUE(absl::IsAborted(store->AddResults(job->number, {{.prompt = 0, .cost = 1, .messages = {"late"}}})));
  EXPECT_TRUE(absl::IsAborted(store->Finish(job->number, pb::JOB_STATE_SUCCEEDED, {}, {"late"})));
  EXPECT_TRUE(absl::IsAborted(store->MarkRunning(job->number, "")));
  EXPECT_EQ(store->Cancel("", job->job.id())->job.state(), pb::JOB_STATE_CANCELLED);
  EXPECT_THAT(Stored(*store, job->number), IsEmpty());
  EXPECT_FALSE(store->NextToRun(kEngine)->has_value());
}

TEST(JobStoreTest, ResultsAreReadFromAnyOffsetInPages) {
  const auto store = OpenJobs();
  const int64_t job = store->Submit(SomeJob())->number;
  ASSERT_TRUE(store->AddHead(job, {"0", "1", "2", "3"}, 1).ok());
  EXPECT_THAT(Stored(*store, job, 2), ElementsAre("2", "3"));
  EXPECT_THAT(Stored(*store, job, 4), IsEmpty());
  EXPECT_THAT(store->ReadResults(job, 1, 1)->messages, ElementsAre("1"));
  EXPECT_EQ(store->ReadResults(job, 1, 1)->stored.job.n_results(), 4);
}

TEST(JobStoreTest, AFullDiskRefusesJobsAndGoesOnReading) {
  const auto store = OpenJobs(/*max_pages=*/60);
  const auto first = store->Submit(SomeJob());
  ASSERT_TRUE(first.ok());
  const auto refused = store->Submit(SomeJob("", std::string(1 << 20, 'x')));
  EXPECT_TRUE(absl::IsUnavailable(refused.status())) << refused.status();
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("the disk is full"));
  EXPECT_EQ(store->List("", {}, kNewest, 10)->jobs.size(), 1U);
  EXPECT_EQ(store->Get("", first->job.id())->job.n_prompts(), 3);
  EXPECT_TRUE(store->Submit(SomeJob()).ok());
}

TEST(JobStoreTest, AFolderBelongsToOneServer) {
  const auto store = OpenJobs();
  const auto second = JobStore::Open({.folder = JobsFolder()});
  EXPECT_THAT(std::string(second.status().message()), HasSubstr("another server uses the folder"));
}

// Noted by processes that die.
void DieWith(const std::vector<int32_t>& prompts, bool crash) {
  const pid_t child = fork();
  if (child == 0) {
    const auto store = OpenJobs();
    store->ledger().NoteDeath();
    for (const int32_t prompt : prompts) store->ledger().Note(1, prompt);
    kill(getpid(), crash ? SIGSEGV : SIGKILL);
  }
  int status = 0;
  waitpid(child, &status, 0);
  if (crash) return;
  // As where the kernel does not tell whom it kills: else a kill is somebody's.
  const std::string path = (std::filesystem::path(JobsFolder()) / "running").string();
  std::string kind, boot, rest;
  std::ifstream in(path);
  in >> kind >> boot >> rest;
  rest.assign(std::istreambuf_iterator<char>(in), {});
  std::ofstream(path) << "b " << boot << " -1" << rest;
}

std::vector<int32_t> Skipped() {
  std::vector<int32_t> skipped;
  const pb::Job job = OpenJobs()->GetByNumber(1)->job;
  for (const pb::SkippedPrompt& prompt : job.skipped_prompts()) skipped.push_back(prompt.prompt_index());
  return skipped;
}

TEST(JobStoreTest, APromptThatTwiceTakesTheProcessDownIsSetAside) {
  OpenJobs()->Submit(SomeJob()).IgnoreError();
  DieWith({0, 1, 2}, /*crash=*/true);
  EXPECT_THAT(Skipped(), IsEmpty());
  EXPECT_EQ(OpenJobs()->Suspects(1)->size(), 3U);
  DieWith({1}, /*crash=*/true);
  EXPECT_THAT(Skipped(), ElementsAre(1));
  EXPECT_THAT(OpenJobs()->GetByNumber(1)->job.skipped_prompts(0).reason(), HasSubstr("crashed 2 times"));
}

TEST(JobStoreTest, NeighboursAreNotBlamed) {
  OpenJobs()->Submit(SomeJob()).IgnoreError();
  for (int i = 0; i < 5; ++i) DieWith({0, 1, 2}, /*crash=*/true);
  EXPECT_THAT(Skipped(), IsEmpty());
}

TEST(JobStoreTest, KillsFromOutsideCountLess) {
  OpenJobs()->Submit(SomeJob()).IgnoreError();
  for (int i = 0; i < 4; ++i) DieWith({2}, /*crash=*/false);
  EXPECT_THAT(Skipped(), IsEmpty());
  DieWith({2}, /*crash=*/false);
  EXPECT_THAT(Skipped(), ElementsAre(2));
}

}  // namespace
}  // namespace ablate
