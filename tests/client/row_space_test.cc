#include "client/cpp/row_space.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "tests/client/fixtures.h"

namespace ablate::client {
namespace {

RowSpace SpaceOf(const ScanManifest& manifest) {
  RowSpace space(manifest.head);
  for (const auto& prompt : manifest.prompts) EXPECT_TRUE(space.AddPrompt(prompt).ok());
  return space;
}

// Every row has a number of its own, and together they are 0 .. rows - 1, in the order that the fixtures name.
void ExpectDense(const ScanManifest& manifest) {
  const RowSpace space = SpaceOf(manifest);
  int64_t total = 0;
  for (int p = 0; p < manifest.n_prompts(); ++p) {
    int64_t expected = 0;
    for (const auto& row : testing::RowsOf(manifest, p)) {
      const RunKey key = {.replacement = row.variant < 0 ? -1 : row.replacement,
                          .variant = row.variant,
                          .edit_position = row.edit_position};
      const auto index = space.RowIndex(p, key, row.position);
      ASSERT_TRUE(index.ok()) << index.status();
      EXPECT_EQ(*index, expected++);
    }
    EXPECT_EQ(space.rows_of(p), expected);
    total += expected;
  }
  EXPECT_EQ(space.total_rows(), total);
}

TEST(RowSpaceTest, NumbersRowsDensely) {
  auto manifest = testing::MakeManifest(2);
  ExpectDense(manifest);
  testing::AddReplacements(&manifest);
  ExpectDense(manifest);
  testing::SweepPositions(&manifest);
  ExpectDense(manifest);
  // Prompts need not be read, or edited, at the same positions.
  manifest.prompts[1].add_tokens();
  manifest.prompts[1].add_read_positions(2);
  manifest.prompts[1].add_edit_positions(2);
  ExpectDense(manifest);
  EXPECT_EQ(SpaceOf(manifest).rows_of(0), 2 + 3 * 4 * 2);
  EXPECT_EQ(SpaceOf(manifest).rows_of(1), (2 + 3 * 4 * 3) * 2);
  EXPECT_EQ(SpaceOf(manifest).edited_rows_of(1), 3 * 4 * 3 * 2);
  EXPECT_EQ(SpaceOf(manifest).runs_of(1), 2 + 3 * 4 * 3);
}

TEST(RowSpaceTest, OnlyPairsHaveACorruptedRun) {
  auto manifest = testing::MakeManifest();
  EXPECT_FALSE(SpaceOf(manifest).RunIndex(0, {.variant = kCorrupted}).ok());
  testing::AddReplacements(&manifest);
  EXPECT_EQ(*SpaceOf(manifest).RunIndex(0, {.variant = kCorrupted}), 1);
}

TEST(KeyOfTest, AbsentColumnsSayNothing) {
  const auto block = testing::MakeBlock({{0, -1}, {0, 2}});
  EXPECT_EQ(KeyOf(block, 0).replacement, -1);
  EXPECT_EQ(KeyOf(block, 1).replacement, 0);
  EXPECT_EQ(KeyOf(block, 1).edit_position, -1);
}

}  // namespace
}  // namespace ablate::client
