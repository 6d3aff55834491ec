// How jobs go, and what they leave.
#include <filesystem>
#include <string>
#include <vector>

#include "SQLiteCpp/Column.h"
#include "SQLiteCpp/Database.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/jobs/job_schema.h"
#include "tests/server/jobs/open_jobs.h"

namespace ablate {
namespace {

namespace pb = ::ablation::v1;
using ::testing::ElementsAre;

constexpr absl::Duration kForGood = absl::InfiniteDuration();

std::string File() {
  return JobsFolder() + "/jobs.sqlite";
}

int64_t Count(const std::string& table) {
  SQLite::Database file(File(), SQLite::OPEN_READONLY);
  return file.execAndGet("SELECT count(*) FROM " + table).getInt64();
}

// A job of the tenant's with so many bytes of results, which has ended where `ends`.
StoredJob JobOf(JobStore& store, const std::string& tenant, size_t bytes, bool ends = true) {
  const auto job = store.Submit(SomeJob("", "", tenant));
  EXPECT_TRUE(store.AddHead(job->number, {std::string(bytes, 'x')}, 1).ok());
  if (ends) {
    EXPECT_TRUE(store.Finish(job->number, pb::JOB_STATE_SUCCEEDED, {}, {}).ok());
  }
  return *job;
}

bool IsThere(const JobStore& store, const StoredJob& job) {
  return store.GetByNumber(job.number).ok();
}

// Late enough for any job to go.
absl::Time Later() {
  return absl::Now() + absl::Hours(2);
}

TEST(JobRemovalTest, WhatIsDeletedIsGoneWithItsResults) {
  const auto store = OpenJobs();
  const auto job = store->Submit(SomeJob("again"));
  const auto other = store->Submit(SomeJob());
  ASSERT_TRUE(store->AddHead(job->number, std::vector<std::string>(250, "x"), 1).ok());
  ASSERT_TRUE(store->AddHead(other->number, {"kept"}, 1).ok());
  ASSERT_TRUE(store->Delete("", job->job.id()).ok());
  EXPECT_TRUE(absl::IsNotFound(store->Get("", job->job.id()).status()));
  EXPECT_TRUE(absl::IsNotFound(store->ReadResults(job->number, 0, 1).status()));
  // A piece each time.
  ASSERT_TRUE(store->Sweep().value());
  EXPECT_EQ(Count("results"), 151);
  while (store->Sweep().value()) continue;
  EXPECT_EQ(Count("results"), 1);
  EXPECT_EQ(Count("dropped"), 0);
  EXPECT_THAT(store->ReadResults(other->number, 0, 1)->messages, ElementsAre("kept"));
  EXPECT_NE(store->Submit(SomeJob("again"))->number, job->number);
}

// A minute once gave one page back.
TEST(JobRemovalTest, TheFileShrinksWithWhatIsDeleted) {
  constexpr size_t kBytes = 16 << 20;
  StoredJob job;
  {
    const auto store = OpenJobs();
    job = JobOf(*store, "", kBytes);
  }
  ASSERT_GT(std::filesystem::file_size(File()), kBytes);
  {
    const auto store = OpenJobs();
    ASSERT_TRUE(store->Delete("", job.job.id()).ok());
    while (store->Sweep().value()) continue;
  }
  EXPECT_LT(std::filesystem::file_size(File()), 200'000U);
}

TEST(JobRemovalTest, ResultsThatAnOlderServerLeftGoToo) {
  std::filesystem::create_directories(JobsFolder());
  {
    SQLite::Database old(File(), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
    ASSERT_TRUE(MigrateJobSchema(old, 2).ok());
    old.exec("INSERT INTO results (job, place, message) VALUES (7, 0, 'x'), (7, 1, 'x'), (8, 0, 'x')");
  }
  const auto store = OpenJobs();
  EXPECT_EQ(Count("dropped"), 2);
  while (store->Sweep().value()) continue;
  EXPECT_EQ(Count("results"), 0);
}

TEST(JobRemovalTest, WhatHasEndedKeepsItsResultsAndNothingElse) {
  const auto store = OpenJobs();
  const auto job = store->Submit(SomeJob("id"));
  ASSERT_TRUE(store->AddChoices(job->number, {{.prompt = 0, .cost = 1, .messages = {"c"}}}).ok());
  ASSERT_TRUE(store->AddResults(job->number, {{.prompt = 0, .cost = 1, .messages = {"a"}}}).ok());
  EXPECT_EQ(Count("requests"), 1);
  ASSERT_TRUE(store->Finish(job->number, pb::JOB_STATE_SUCCEEDED, {}, {"end"}).ok());
  for (const char* table : {"requests", "choices", "prompts_done", "crashes"}) EXPECT_EQ(Count(table), 0) << table;
  EXPECT_THAT(store->ReadResults(job->number, 0, 100)->messages, ElementsAre("a", "end"));
  EXPECT_EQ(store->Get("", job->job.id())->job.prompts_done(), 1);
  // A replay is still told from another request.
  EXPECT_EQ(store->Submit(SomeJob("id"))->number, job->number);
  EXPECT_TRUE(absl::IsInvalidArgument(store->Submit(SomeJob("id", "another")).status()));
}

TEST(JobRemovalTest, ExpiresByAgeAndThenByBytesTheOldestFirst) {
  const auto store = OpenJobs();
  std::vector<StoredJob> jobs;
  for (int i = 0; i < 4; ++i) jobs.push_back(JobOf(*store, "", 100, /*ends=*/i < 3));
  EXPECT_EQ(*store->Expire(kForGood, 400, Later()), 0);
  EXPECT_EQ(*store->Expire(kForGood, 350, Later()), 1);
  EXPECT_FALSE(IsThere(*store, jobs[0]));
  EXPECT_EQ(*store->Expire(absl::Hours(3), 400, Later()), 0);
  EXPECT_EQ(*store->Expire(absl::Hours(1), 400, Later()), 2);
  // It has not ended.
  EXPECT_TRUE(IsThere(*store, jobs[3]));
  EXPECT_EQ(*store->Expire(kForGood, 0, Later()), 0);
}

TEST(JobRemovalTest, RequestsCountToo) {
  const auto store = OpenJobs();
  const StoredJob ended = JobOf(*store, "", 100);
  EXPECT_EQ(*store->Expire(kForGood, 250, Later()), 0);
  ASSERT_TRUE(store->Submit(SomeJob("", std::string(200, 'r'))).ok());
  EXPECT_EQ(*store->Expire(kForGood, 250, Later()), 1);
  EXPECT_FALSE(IsThere(*store, ended));
}

// One tenant's large job deleted another's finished ones.
TEST(JobRemovalTest, BytesAreDeletedOfWhoHasMostOfThem) {
  const auto store = OpenJobs();
  const StoredJob small = JobOf(*store, "small", 100);
  const StoredJob large = JobOf(*store, "large", 300);
  const StoredJob running = JobOf(*store, "large", 300, /*ends=*/false);
  EXPECT_EQ(*store->Expire(kForGood, 650, Later()), 1);
  EXPECT_TRUE(IsThere(*store, small));
  EXPECT_FALSE(IsThere(*store, large));
  EXPECT_TRUE(IsThere(*store, running));
  // What runs counts for its tenant only: the other one has no more than its share.
  EXPECT_EQ(*store->Expire(kForGood, 300, Later()), 0);
  EXPECT_TRUE(IsThere(*store, small));
  EXPECT_EQ(*store->Expire(kForGood, 150, Later()), 1);
}

TEST(JobRemovalTest, NoneIsDeletedByBytesWithinAnHourOfItsEnd) {
  const auto store = OpenJobs();
  const StoredJob job = JobOf(*store, "", 100);
  EXPECT_EQ(*store->Expire(kForGood, 10, absl::Now() + absl::Minutes(59)), 0);
  EXPECT_TRUE(IsThere(*store, job));
  EXPECT_EQ(*store->Expire(kForGood, 10, absl::Now() + absl::Minutes(61)), 1);
}

TEST(JobRemovalTest, AClockThatWasSetBackTellsNoAge) {
  const auto store = OpenJobs();
  const StoredJob old = JobOf(*store, "", 100);
  const StoredJob from_the_future = JobOf(*store, "", 100);
  SQLite::Database(File(), SQLite::OPEN_READWRITE)
      .exec(absl::StrCat("UPDATE jobs SET ended_ms = ended_ms + 36000000 WHERE number = ", from_the_future.number));
  EXPECT_EQ(*store->Expire(absl::Hours(1), 1000, Later()), 0);
  EXPECT_EQ(*store->Expire(absl::Hours(1), 1000, absl::Now() + absl::Hours(20)), 2);
}

TEST(JobRemovalTest, NoTimeIsBeforeTheOneThatLedToIt) {
  const auto store = OpenJobs();
  const auto job = store->Submit(SomeJob());
  SQLite::Database(File(), SQLite::OPEN_READWRITE).exec("UPDATE jobs SET created_ms = created_ms + 36000000");
  ASSERT_TRUE(store->MarkRunning(job->number, "").ok());
  ASSERT_TRUE(store->Finish(job->number, pb::JOB_STATE_SUCCEEDED, {}, {}).ok());
  const pb::Job ended = store->GetByNumber(job->number)->job;
  EXPECT_EQ(ended.started_unix_ms(), ended.created_unix_ms());
  EXPECT_EQ(ended.ended_unix_ms(), ended.created_unix_ms());
}

}  // namespace
}  // namespace ablate
