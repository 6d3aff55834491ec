// Which job runs next, with which engine, and what the others are told of it.
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/jobs/open_jobs.h"

namespace ablate {
namespace {

namespace pb = ::ablation::v1;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const JobEngine kEngine = {.weights_sha256 = "w", .runs_as = "float32 on cpu"};
const JobEngine kOther = {.weights_sha256 = "w", .runs_as = "tf32 on cuda"};

// Their numbers, in the order of the queue.
std::vector<int64_t> Order(const JobStore& store, const JobEngine& engine = kEngine) {
  const auto queue = store.Queue(engine);
  EXPECT_TRUE(queue.ok()) << queue.status();
  std::vector<int64_t> order(queue->size());
  for (const auto& [number, ahead] : *queue) order.at(static_cast<size_t>(ahead.jobs)) = number;
  return order;
}

// Runs what comes next to its end, until there is nothing.
std::vector<int64_t> RunAll(JobStore& store) {
  std::vector<int64_t> ran;
  while (true) {
    const auto next = store.NextToRun(kEngine);
    if (!next.ok() || !next->has_value()) return ran;
    const int64_t number = (*next)->number;
    EXPECT_EQ(Order(store).front(), number);
    ran.push_back(number);
    EXPECT_TRUE(store.MarkRunning(number, kEngine.runs_as).ok());
    EXPECT_EQ(Order(store).front(), number);
    EXPECT_TRUE(store.Finish(number, pb::JOB_STATE_SUCCEEDED, {}, {}).ok());
  }
}

std::vector<int64_t> SubmitOf(JobStore& store, const std::vector<std::string>& tenants) {
  std::vector<int64_t> numbers;
  numbers.reserve(tenants.size());
  for (const std::string& tenant : tenants) numbers.push_back(store.Submit(SomeJob("", "x", tenant))->number);
  return numbers;
}

TEST(JobTurnsTest, OneTenantsJobsRunInTheOrderOfTheirSubmissionWithTheirModel) {
  const auto store = OpenJobs();
  const auto jobs = SubmitOf(*store, {"", "", ""});
  ASSERT_TRUE(store->MarkRunning(jobs[0], kEngine.runs_as).ok());
  EXPECT_EQ((*store->NextToRun(kEngine))->number, jobs[0]);
  EXPECT_EQ(store->Queue(kEngine)->at(jobs[1]).jobs, 1);
  EXPECT_EQ(store->Queue(kEngine)->at(jobs[2]).cost, 600);
  EXPECT_FALSE(store->NextToRun({.weights_sha256 = "another model", .runs_as = kEngine.runs_as})->has_value());
  ASSERT_TRUE(store->Finish(jobs[0], pb::JOB_STATE_SUCCEEDED, {}, {}).ok());
  EXPECT_EQ((*store->NextToRun(kEngine))->number, jobs[1]);
}

TEST(JobTurnsTest, WhatRestsIsLeftOut) {
  const auto store = OpenJobs();
  const auto jobs = SubmitOf(*store, {"", ""});
  ASSERT_TRUE(store->MarkRunning(jobs[0], kEngine.runs_as).ok());
  EXPECT_EQ((*store->NextToRun(kEngine, {jobs[0]}))->number, jobs[1]);
  EXPECT_FALSE(store->NextToRun(kEngine, {jobs[0], jobs[1]})->has_value());
}

// One that submitted a hundred jobs held up everybody's behind them.
TEST(JobTurnsTest, TenantsTakeTurns) {
  const auto store = OpenJobs();
  const auto jobs = SubmitOf(*store, {"a", "a", "a", "b", "b", "c"});
  const std::vector<int64_t> expected = {jobs[0], jobs[3], jobs[5], jobs[1], jobs[4], jobs[2]};
  EXPECT_EQ(Order(*store), expected);
  EXPECT_EQ(RunAll(*store), expected);
}

TEST(JobTurnsTest, WhoseLastStartIsLongestAgoComesFirst) {
  const auto store = OpenJobs();
  SubmitOf(*store, {"a", "b"});
  RunAll(*store);
  const auto jobs = SubmitOf(*store, {"b", "a", "new"});
  EXPECT_THAT(RunAll(*store), ElementsAre(jobs[2], jobs[1], jobs[0]));
}

// A tenant that deletes what has run is not new.
TEST(JobTurnsTest, TurnsOutliveTheirJobsAndTheServer) {
  {
    const auto store = OpenJobs();
    const auto first = store->Submit(SomeJob("", "x", "a"));
    RunAll(*store);
    ASSERT_TRUE(store->Delete("a", first->job.id()).ok());
  }
  const auto store = OpenJobs();
  const auto jobs = SubmitOf(*store, {"a", "b"});
  EXPECT_THAT(Order(*store), ElementsAre(jobs[1], jobs[0]));
}

TEST(JobTurnsTest, WhatHasBegunComesFirst) {
  int64_t begun = 0;
  {
    const auto store = OpenJobs();
    begun = SubmitOf(*store, {"a", "a"})[0];
    ASSERT_TRUE(store->MarkRunning(begun, kEngine.runs_as).ok());
    ASSERT_TRUE(store->AddHead(begun, {"head"}, 300).ok());
    SubmitOf(*store, {"b"});
  }
  const auto store = OpenJobs();
  EXPECT_THAT(Order(*store), ElementsAre(begun, begun + 2, begun + 1));
}

// Rows of float32 and of tf32 stood under one manifest.
TEST(JobTurnsTest, WhatHasBegunIsGoneOnWithInTheSameArithmetic) {
  int64_t begun = 0;
  {
    const auto store = OpenJobs();
    begun = SubmitOf(*store, {""})[0];
    ASSERT_TRUE(store->MarkRunning(begun, kEngine.runs_as).ok());
    ASSERT_TRUE(store->AddHead(begun, {"head"}, 300).ok());
  }
  const auto store = OpenJobs();
  EXPECT_FALSE(store->NextToRun(kOther)->has_value());
  EXPECT_TRUE(store->Queue(kOther)->empty());
  EXPECT_EQ(store->CountLeftOut(kOther).value(), 1);
  EXPECT_EQ(store->CountLeftOut(kEngine).value(), 0);
  const absl::Status refused = store->MarkRunning(begun, kOther.runs_as);
  EXPECT_TRUE(absl::IsAborted(refused));
  EXPECT_THAT(std::string(refused.message()), HasSubstr("begun in float32 on cpu"));
  EXPECT_EQ((*store->NextToRun(kEngine))->runs_as, kEngine.runs_as);
}

TEST(JobTurnsTest, WhatHasStoredNothingIsBegunAnewByAnyEngine) {
  {
    const auto store = OpenJobs();
    ASSERT_TRUE(store->MarkRunning(SubmitOf(*store, {""})[0], kEngine.runs_as).ok());
  }
  const auto store = OpenJobs();
  ASSERT_TRUE(store->NextToRun(kOther)->has_value());
  EXPECT_TRUE(store->MarkRunning(1, kOther.runs_as).ok());
}

TEST(JobTurnsTest, ATenantMayHaveSoManyThatHaveNotEnded) {
  const auto store = OpenJobs();
  const auto first = store->Submit(SomeJob("id"), 2);
  ASSERT_TRUE(first.ok() && store->Submit(SomeJob(), 2).ok());
  const auto refused = store->Submit(SomeJob(), 2);
  EXPECT_TRUE(absl::IsResourceExhausted(refused.status()));
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("2 jobs have not ended"));
  EXPECT_TRUE(store->Submit(SomeJob("id"), 2).ok()) << "it is there already";
  EXPECT_TRUE(store->Submit(SomeJob("", "x", "somebody else"), 2).ok());
  ASSERT_TRUE(store->Cancel("", first->job.id()).ok());
  EXPECT_TRUE(store->Submit(SomeJob(), 2).ok());
}

}  // namespace
}  // namespace ablate
