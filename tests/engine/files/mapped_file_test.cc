#include "engine/files/mapped_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "tests/engine/files/temp_dir.h"

namespace ablate {
namespace {

using ::ablate::testing::TempDir;
using ::testing::HasSubstr;

std::string Text(const MappedFile& file) {
  return {file.bytes().begin(), file.bytes().end()};
}

TEST(MappedFile, KeepsItsBytesThroughMoves) {
  const TempDir dir;
  dir.Write("a", "first");
  dir.Write("b", "second");
  auto a = MappedFile::Open(dir.File("a"));
  auto b = MappedFile::Open(dir.File("b"));
  ASSERT_TRUE(a.ok() && b.ok());
  MappedFile moved = *std::move(a);
  EXPECT_EQ(Text(moved), "first");
  EXPECT_EQ(moved.path(), dir.File("a"));
  const uint8_t* where = b->bytes().data();
  moved = *std::move(b);
  EXPECT_EQ(Text(moved), "second");
  EXPECT_EQ(moved.bytes().data(), where);
}

TEST(MappedFile, EmptyFileHasNoBytes) {
  const TempDir dir;
  dir.Write("empty", "");
  const auto file = MappedFile::Open(dir.File("empty"));
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_TRUE(file->bytes().empty());
}

TEST(MappedFile, WhatIsNoFileIsNamed) {
  const TempDir dir;
  dir.Write("file", "x");
  EXPECT_EQ(MappedFile::Open(dir.File("none")).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(MappedFile::Open(dir.File("file/inner")).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(MappedFile::Open(dir.path()).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(MappedFile::Open("/dev/null").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(MappedFile::Open(dir.path()).status().message()), HasSubstr(dir.path() + ": a directory"));
}

}  // namespace
}  // namespace ablate
