#include "engine/files/durable_file.h"

#include <sys/stat.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/engine/files/temp_dir.h"

namespace ablate {
namespace {

namespace fs = std::filesystem;

size_t Entries(const fs::path& folder) {
  size_t n = 0;
  for (const auto& entry : fs::directory_iterator(folder)) n += entry.exists() ? 1 : 0;
  return n;
}

std::string ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

std::function<std::string(int64_t)> Pieces(const std::string& text, size_t size) {
  return [text, size](int64_t offset) { return text.substr(static_cast<size_t>(offset), size); };
}

TEST(DurableFileTest, WritesPieceByPieceAndLeavesNothingElse) {
  const testing::TempDir folder;
  ASSERT_TRUE(WriteDurably(folder.File("f"), Pieces("0123456789", 3)).ok());
  EXPECT_EQ(ReadFile(folder.File("f")), "0123456789");
  ASSERT_TRUE(WriteDurably(folder.File("f"), Pieces("new", 2)).ok());
  EXPECT_EQ(ReadFile(folder.File("f")), "new");
  EXPECT_EQ(Entries(folder.path()), 1U);
}

// A reader sees the old file until the new one is whole.
TEST(DurableFileTest, TheNameIsGivenLast) {
  const testing::TempDir folder;
  folder.Write("f", "old");
  const auto next = [&](int64_t offset) -> std::string {
    EXPECT_EQ(ReadFile(folder.File("f")), "old");
    return offset == 0 ? "new" : "";
  };
  ASSERT_TRUE(WriteDurably(folder.File("f"), next).ok());
  EXPECT_EQ(ReadFile(folder.File("f")), "new");
}

TEST(DurableFileTest, AFileMayBeItsOwnersOnlyAndKeepWhatItsOwnerAllowed) {
  const testing::TempDir folder;
  const auto mode = [&] {
    struct stat facts = {};
    EXPECT_EQ(stat(folder.File("f").c_str(), &facts), 0);
    return facts.st_mode & 07777;
  };
  const DurableFileOptions options = {.mode = 0600, .keep_owner_and_mode = true};
  ASSERT_TRUE(WriteDurably(folder.File("f"), Pieces("a", 1), options).ok());
  EXPECT_EQ(mode(), 0600U);
  chmod(folder.File("f").c_str(), 0640);
  ASSERT_TRUE(WriteDurably(folder.File("f"), Pieces("b", 1), options).ok());
  EXPECT_EQ(mode(), 0640U);
  ASSERT_TRUE(WriteDurably(folder.File("f"), Pieces("c", 1), {.mode = 0600}).ok());
  EXPECT_EQ(mode(), 0600U);
}

TEST(DurableFileTest, NamesTheFolderThatIsMissing) {
  const testing::TempDir folder;
  const absl::Status status = WriteDurably(folder.File("no/f"), Pieces("a", 1));
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), ::testing::HasSubstr(folder.File("no/f")));
  EXPECT_THAT(std::string(status.message()), ::testing::HasSubstr("No such file"));
}

TEST(DurableFileTest, AFullDiskLeavesTheOldFileAlone) {
  const testing::TempDir folder;
  folder.Write("f", "old");
  // The name cannot be taken by a folder's place: as good as a disk that is full at the end.
  fs::create_directories(folder.File("d/not empty"));
  EXPECT_FALSE(WriteDurably(folder.File("d"), Pieces("new", 3)).ok());
  EXPECT_EQ(Entries(folder.path()), 2U) << "the temporary file is gone";
}

TEST(DurableFileTest, OnlyOldLeftoversAreRemoved) {
  const testing::TempDir folder;
  for (const char* name : {"old.part", "new.part", "old.safetensors"}) folder.Write(name, "x");
  const auto yesterday = fs::file_time_type::clock::now() - std::chrono::hours(25);
  fs::last_write_time(folder.File("old.part"), yesterday);
  fs::last_write_time(folder.File("old.safetensors"), yesterday);
  RemoveLeftovers(folder.path());
  EXPECT_FALSE(fs::exists(folder.File("old.part")));
  EXPECT_TRUE(fs::exists(folder.File("new.part")));
  EXPECT_TRUE(fs::exists(folder.File("old.safetensors")));
  RemoveLeftovers(folder.File("missing"));
}

}  // namespace
}  // namespace ablate
