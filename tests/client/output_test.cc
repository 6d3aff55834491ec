#include "client/cpp/cli/output.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace ablate::cli {
namespace {

namespace fs = std::filesystem;

class OutputTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = ::testing::TempDir() + "/output-XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string Path(const std::string& name) const { return (folder_ / name).string(); }
  static std::string Read(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  size_t Entries() const { return std::distance(fs::directory_iterator(folder_), fs::directory_iterator()); }

  fs::path folder_;
};

TEST_F(OutputTest, TheFileAppearsAtCommit) {
  auto output = Output::ToFile(Path("a"));
  ASSERT_TRUE(output.ok()) << output.status();
  const std::string large(200'000, 'x');
  ASSERT_TRUE((*output)->Write(large).ok());
  ASSERT_TRUE((*output)->Flush().ok());
  EXPECT_FALSE(fs::exists(Path("a")));
  ASSERT_TRUE((*output)->Commit().ok());
  EXPECT_EQ(Read(Path("a")), large);
  output->reset();
  EXPECT_EQ(Entries(), 1U);
}

TEST_F(OutputTest, WithoutCommitTheOldFileStaysAndNothingElse) {
  std::ofstream(Path("a")) << "old";
  {
    auto output = Output::ToFile(Path("a"));
    ASSERT_TRUE(output.ok());
    ASSERT_TRUE((*output)->Write("new").ok());
    ASSERT_TRUE((*output)->Flush().ok());
  }
  EXPECT_EQ(Read(Path("a")), "old");
  EXPECT_EQ(Entries(), 1U);
}

TEST_F(OutputTest, KeepsPermissionsAndLinks) {
  std::ofstream(Path("real")) << "old";
  fs::permissions(Path("real"), fs::perms::owner_read | fs::perms::owner_write);
  fs::create_symlink("real", Path("link"));
  auto output = Output::ToFile(Path("link"));
  ASSERT_TRUE(output.ok()) << output.status();
  ASSERT_TRUE((*output)->Write("new").ok());
  ASSERT_TRUE((*output)->Commit().ok());
  EXPECT_TRUE(fs::is_symlink(Path("link")));
  EXPECT_EQ(Read(Path("real")), "new");
  EXPECT_EQ(fs::status(Path("real")).permissions(), fs::perms::owner_read | fs::perms::owner_write);
}

TEST_F(OutputTest, ANewFileHasTheUsersUsualPermissions) {
  const mode_t old = umask(027);
  auto output = Output::ToFile(Path("a"));
  ASSERT_TRUE(output.ok());
  ASSERT_TRUE((*output)->Commit().ok());
  umask(old);
  EXPECT_EQ(static_cast<int>(fs::status(Path("a")).permissions()), 0640);
}

TEST_F(OutputTest, WritesADeviceDirectly) {
  auto output = Output::ToFile("/dev/null");
  ASSERT_TRUE(output.ok()) << output.status();
  ASSERT_TRUE((*output)->Write("x").ok());
  EXPECT_TRUE((*output)->Commit().ok());
}

TEST_F(OutputTest, SaysWhyItCannotWrite) {
  const auto missing = Output::ToFile(Path("no/such/folder/a"));
  EXPECT_EQ(missing.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(missing.status().message()),
              ::testing::HasSubstr("No such file or directory; expected a file in a folder that exists"));
  EXPECT_FALSE(Output::ToFile(folder_.string()).ok());
  auto full = Output::ToFile("/dev/full");
  ASSERT_TRUE(full.ok());
  ASSERT_TRUE((*full)->Write("x").ok());
  EXPECT_THAT(std::string((*full)->Commit().message()), ::testing::HasSubstr("No space left"));
}

TEST_F(OutputTest, TellsAReaderThatLeftFromOtherFaults) {
  signal(SIGPIPE, SIG_IGN);
  ASSERT_EQ(mkfifo(Path("pipe").c_str(), 0600), 0);
  const int reader = open(Path("pipe").c_str(), O_RDONLY | O_NONBLOCK);
  ASSERT_GE(reader, 0);
  auto output = Output::ToFile(Path("pipe"));
  ASSERT_TRUE(output.ok()) << output.status();
  EXPECT_TRUE((*output)->CheckReader().ok());
  close(reader);
  EXPECT_TRUE(HasReaderLeft((*output)->CheckReader()));
  ASSERT_TRUE((*output)->Write("x").ok());
  EXPECT_TRUE(HasReaderLeft((*output)->Flush()));
  auto full = Output::ToFile("/dev/full");
  ASSERT_TRUE(full.ok());
  EXPECT_TRUE((*full)->CheckReader().ok());
  ASSERT_TRUE((*full)->Write("x").ok());
  EXPECT_FALSE(HasReaderLeft((*full)->Flush()));
  EXPECT_TRUE((*Output::ToFile(Path("a")))->CheckReader().ok());
}

}  // namespace
}  // namespace ablate::cli
