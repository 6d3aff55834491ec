#include "server/jobs/job_schema.h"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "SQLiteCpp/Column.h"
#include "SQLiteCpp/Statement.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/jobs/open_jobs.h"

namespace ablate {
namespace {

using ::testing::HasSubstr;

std::string MakeFolder() {
  std::filesystem::create_directories(JobsFolder());
  return JobsFolder() + "/jobs.sqlite";
}

std::string Refusal() {
  const auto store = JobStore::Open({.folder = JobsFolder()});
  EXPECT_TRUE(absl::IsFailedPrecondition(store.status())) << store.status();
  return std::string(store.status().message());
}

TEST(JobSchemaTest, AStoreOfTheFirstVersionGoesOn) {
  {
    SQLite::Database old(MakeFolder(), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
    ASSERT_TRUE(MigrateJobSchema(old, 1).ok());
    old.exec(
        "INSERT INTO jobs (id, request_id, display_name, request_sha256, weights_sha256, state, created_ms, n_prompts, "
        "cost) "
        "VALUES ('abc', 'r', 'old', 's', 'w', 1, 5, 2, 10)");
    old.exec("INSERT INTO requests (job, request) VALUES (1, 'x')");
    EXPECT_EQ(old.execAndGet("PRAGMA user_version").getInt(), 1);
  }
  const auto store = OpenJobs();
  const auto next = store->NextToRun({.weights_sha256 = "w", .runs_as = ""});
  ASSERT_TRUE(next.ok() && next->has_value());
  EXPECT_EQ((*next)->job.id(), "abc");
  EXPECT_EQ((*next)->tenant, "");
  EXPECT_EQ(store->ReadRequest(1).value(), "x");
  EXPECT_TRUE(store->Submit(SomeJob("r", "x", "somebody else")).ok());
}

TEST(JobSchemaTest, AStoreOfTheSecondVersionGoesOn) {
  {
    SQLite::Database old(MakeFolder(), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
    ASSERT_TRUE(MigrateJobSchema(old, 2).ok());
    old.exec(
        "INSERT INTO jobs (id, request_id, display_name, request_sha256, weights_sha256, state, created_ms, "
        "started_ms, "
        "n_prompts, cost, n_results) VALUES ('open', '', '', 's', 'w', 2, 5, 6, 2, 10, 1), "
        "('ended', '', '', 's', 'w', 3, 4, 5, 2, 10, 1)");
    old.exec("INSERT INTO requests (job, request) VALUES (1, 'four'), (2, 'x')");
    old.exec("INSERT INTO prompts_done (job, prompt) VALUES (1, 0), (2, 0)");
  }
  const auto store = OpenJobs();
  // In what it was begun nobody noted.
  EXPECT_EQ((*store->NextToRun({.weights_sha256 = "w", .runs_as = "float32 on cpu"}))->job.id(), "open");
  EXPECT_EQ(store->ReadRequest(1).value(), "four");
  EXPECT_EQ(store->PromptsDone(1)->size(), 1U);
  SQLite::Database file(JobsFolder() + "/jobs.sqlite", SQLite::OPEN_READONLY);
  EXPECT_EQ(file.execAndGet("SELECT sum(request_bytes) FROM jobs").getInt(), 4);
  EXPECT_EQ(file.execAndGet("SELECT count(*) FROM requests").getInt(), 1);
  EXPECT_EQ(file.execAndGet("SELECT count(*) FROM prompts_done").getInt(), 1);
  EXPECT_EQ(file.execAndGet("SELECT turn FROM tenants").getInt(), 6);
}

TEST(JobSchemaTest, AStoreOfTheThirdVersionGoesOn) {
  {
    SQLite::Database old(MakeFolder(), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
    ASSERT_TRUE(MigrateJobSchema(old, 3).ok());
    old.exec(
        "INSERT INTO jobs (id, request_id, display_name, request_sha256, weights_sha256, state, created_ms, n_prompts, "
        "prompts_done, cost) VALUES ('open', '', '', 's', 'w', 2, 5, 2, 1, 10)");
    old.exec("INSERT INTO prompts_done (job, prompt) VALUES (1, 0)");
  }
  const auto store = OpenJobs();
  EXPECT_EQ(store->GetByNumber(1)->use.forward_ns, 0) << "nobody noted what the first prompt took";
  ASSERT_TRUE(store->AddResults(1, {{.prompt = 1, .use = {.forward_ns = 7}, .messages = {}}}).ok());
  EXPECT_EQ(store->GetByNumber(1)->use.forward_ns, 7);
}

TEST(JobSchemaTest, ANewerVersionIsRefused) {
  OpenJobs().reset();
  SQLite::Database(MakeFolder(), SQLite::OPEN_READWRITE).exec("PRAGMA user_version = 99");
  EXPECT_THAT(Refusal(), HasSubstr("version 99, written by a newer server"));
}

std::string Bytes(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

// It was made a file with a write-ahead log before anybody looked whose it is.
TEST(JobSchemaTest, AnotherProgramsFileIsRefusedAndStaysAsItIs) {
  const std::string path = MakeFolder();
  SQLite::Database(path, SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE).exec("CREATE TABLE mine (x)");
  const std::string before = Bytes(path);
  EXPECT_THAT(Refusal(), HasSubstr("of another program"));
  EXPECT_EQ(Bytes(path), before);
}

TEST(JobSchemaTest, AFileThatIsNoDatabaseIsRefusedWithTheWayOut) {
  std::ofstream(MakeFolder()) << std::string(8192, 'x');
  EXPECT_THAT(Refusal(), HasSubstr("it is damaged"));
  EXPECT_THAT(Refusal(), HasSubstr(".recover"));
}

TEST(JobSchemaTest, ADamagedFileIsRefusedWithTheWayOut) {
  {
    const auto store = OpenJobs();
    for (int i = 0; i < 50; ++i) ASSERT_TRUE(store->Submit(SomeJob("", std::string(5000, 'r'))).ok());
  }
  std::fstream file(MakeFolder(), std::ios::in | std::ios::out | std::ios::binary);
  // Behind the header, so that it opens and only the check finds it.
  for (int page = 3; page < 20; ++page) {
    file.seekp(page * 4096);
    file << std::string(2000, '\xee');
  }
  file.close();
  EXPECT_THAT(Refusal(), HasSubstr("it is damaged"));
}

}  // namespace
}  // namespace ablate
