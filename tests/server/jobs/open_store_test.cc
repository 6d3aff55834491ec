#include "server/jobs/open_store.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "SQLiteCpp/Column.h"
#include "SQLiteCpp/Database.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/jobs/open_jobs.h"

namespace ablate {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

// With the user's data in the test's folder.
class OpenStoreTest : public ::testing::Test {
 protected:
  OpenStoreTest() {
    setenv("XDG_DATA_HOME", JobsFolder().c_str(), 1);
    fs::create_directories(JobsFolder());
  }
  ~OpenStoreTest() override { unsetenv("XDG_DATA_HOME"); }

  static std::string Default() { return JobsFolder() + "/ablate/jobs"; }
};

TEST_F(OpenStoreTest, TheDefaultOneIsMadeWhereItIsMissing) {
  const auto opened = OpenJobStore(std::nullopt);
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_NE(opened->store, nullptr);
  EXPECT_TRUE(fs::exists(Default() + "/jobs.sqlite"));
}

TEST_F(OpenStoreTest, WhereAnotherServerHasTheDefaultOneThereIsNone) {
  const auto first = OpenJobStore(std::nullopt);
  const auto second = OpenJobStore(std::nullopt);
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_EQ(second->store, nullptr);
  EXPECT_THAT(second->why_none, HasSubstr("another server uses the folder " + Default()));
  EXPECT_TRUE(absl::IsAlreadyExists(OpenJobStore(Default()).status()));
}

TEST_F(OpenStoreTest, WhereTheDefaultOneCannotBeMadeThereIsNone) {
  std::ofstream(JobsFolder() + "/ablate") << "a file";
  const auto opened = OpenJobStore(std::nullopt);
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ(opened->store, nullptr);
  EXPECT_THAT(opened->why_none, HasSubstr("cannot use the job store"));
  EXPECT_TRUE(absl::IsPermissionDenied(OpenJobStore(Default()).status()));
}

// Accepted jobs lay there, and the server went on without them.
TEST_F(OpenStoreTest, ADamagedOrNewerDefaultOneIsRefused) {
  fs::create_directories(Default());
  const std::string path = Default() + "/jobs.sqlite";
  std::ofstream(path) << std::string(8192, 'x');
  EXPECT_THAT(std::string(OpenJobStore(std::nullopt).status().message()), HasSubstr("it is damaged"));
  fs::remove(path);
  ASSERT_TRUE(OpenJobStore(std::nullopt).ok());
  SQLite::Database(path, SQLite::OPEN_READWRITE).exec("PRAGMA user_version = 99");
  EXPECT_THAT(std::string(OpenJobStore(std::nullopt).status().message()), HasSubstr("written by a newer server"));
}

TEST_F(OpenStoreTest, NoneWhereNoneIsAskedFor) {
  const auto opened = OpenJobStore("");
  ASSERT_TRUE(opened.ok());
  EXPECT_EQ(opened->store, nullptr);
  EXPECT_NE(opened->why_none, "");
}

}  // namespace
}  // namespace ablate
