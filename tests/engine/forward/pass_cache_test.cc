#include "engine/forward/pass_cache.h"

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace ablate {
namespace {

// Of one layer.
PassShape Shape(int64_t tokens, int64_t rows = 16) {
  return {{{.tokens_in = tokens, .tokens_out = tokens, .rows_in = rows, .rows_out = rows, .edits = 16}}};
}

class PassCacheTest : public testing::Test {
 protected:
  void Add(const PassShape& room, int name, int64_t bytes = 1) { cache_.Add(room, std::make_unique<int>(name), bytes); }
  // Its name, 0 where there is none.
  int Find(const PassShape& need) {
    const int* pass = cache_.Find(need, [this](int name) { return name != unusable_; });
    return pass == nullptr ? 0 : *pass;
  }

  PassCache<int> cache_{10};
  int unusable_ = 0;
};

TEST_F(PassCacheTest, TheSmallestThatHoldsItServes) {
  Add(Shape(1152), 1);
  Add(Shape(1024), 2);
  Add(Shape(1088), 3);
  EXPECT_EQ(Find(Shape(1024)), 2);
  EXPECT_EQ(Find(Shape(1040)), 3);
  EXPECT_EQ(Find(Shape(1100)), 1);
  EXPECT_EQ(Find(Shape(1168)), 0) << "larger than all";
  EXPECT_EQ(Find(Shape(1024, 17)), 0) << "more rows";
}

TEST_F(PassCacheTest, WhatCannotBeUsedIsPassedOver) {
  Add(Shape(1024), 1);
  Add(Shape(1152), 2);
  unusable_ = 1;
  EXPECT_EQ(Find(Shape(1024)), 2);
}

TEST_F(PassCacheTest, AtMostAnEighthIsWasted) {
  Add(Shape(1152), 1);
  EXPECT_EQ(Find(Shape(1024)), 1);
  EXPECT_EQ(Find(Shape(1023)), 0);
}

TEST_F(PassCacheTest, AKindIsRememberedUntilItComesAgain) {
  EXPECT_FALSE(cache_.Remember(Shape(1600)));
  EXPECT_FALSE(cache_.Remember(Shape(3200)));
  EXPECT_TRUE(cache_.Remember(Shape(1696))) << "a sixteenth more";
  EXPECT_FALSE(cache_.Remember(Shape(1600))) << "counted anew";
  EXPECT_FALSE(cache_.Remember(Shape(1712))) << "too different";
  PassShape deeper = Shape(800);
  deeper.layers.push_back(deeper.layers.front());
  EXPECT_FALSE(cache_.Remember(deeper)) << "as many tokens in more layers";
  for (int64_t other = 1; other <= 100; ++other) cache_.Remember(Shape(10'000 << (other % 20)));
  for (int64_t other = 1; other <= 64; ++other) cache_.Remember(PassShape{std::vector<LayerShape>(100 + other)});
  EXPECT_FALSE(cache_.Remember(Shape(3200))) << "too long ago";
}

TEST_F(PassCacheTest, WhatFailsIsDropped) {
  Add(Shape(16), 1, 4);
  Add(Shape(160), 2, 4);
  EXPECT_EQ(Find(Shape(16)), 1);
  cache_.DropFront();
  EXPECT_EQ(Find(Shape(16)), 0);
  EXPECT_EQ(Find(Shape(160)), 2);
  EXPECT_EQ(cache_.bytes(), 4);
}

TEST_F(PassCacheTest, TheLongestUnusedGoes) {
  Add(Shape(16), 1, 4);
  Add(Shape(160), 2, 4);
  EXPECT_EQ(Find(Shape(16)), 1);
  Add(Shape(1600), 3, 4);
  EXPECT_EQ(cache_.bytes(), 8);
  EXPECT_EQ(Find(Shape(160)), 0);
  EXPECT_EQ(Find(Shape(16)), 1);
  EXPECT_EQ(Find(Shape(1600)), 3);
}

TEST_F(PassCacheTest, WhatIsTooLargeStandsAlone) {
  Add(Shape(16), 1, 4);
  Add(Shape(160), 2, 40);
  EXPECT_EQ(cache_.size(), 1U);
  EXPECT_EQ(Find(Shape(160)), 2);
  Add(Shape(16), 3, 4);
  EXPECT_EQ(cache_.size(), 1U);
  EXPECT_EQ(cache_.bytes(), 4);
}

TEST_F(PassCacheTest, ClearLeavesNothing) {
  Add(Shape(16), 1, 4);
  cache_.Clear();
  EXPECT_EQ(Find(Shape(16)), 0);
  EXPECT_EQ(cache_.bytes(), 0);
}

}  // namespace
}  // namespace ablate
