#include "server/stats/multiplicity.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

namespace ablate::stats {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

void ExpectNear(const std::vector<double>& found, const std::vector<double>& expected) {
  ASSERT_EQ(found.size(), expected.size());
  for (size_t i = 0; i < found.size(); ++i) {
    if (std::isnan(expected[i])) {
      EXPECT_TRUE(std::isnan(found[i])) << i;
    } else {
      EXPECT_NEAR(found[i], expected[i], 1e-15) << i;
    }
  }
}

// By hand, m = 4: 0.01 0.02 0.03 0.5.
const std::vector<double> kP = {0.03, 0.01, kNan, 0.5, 0.02};

TEST(MultiplicityTest, Holm) {
  ExpectNear(Holm(kP), {0.06, 0.04, kNan, 0.5, 0.06});
}

TEST(MultiplicityTest, BenjaminiHochberg) {
  ExpectNear(BenjaminiHochberg(kP), {0.04, 0.04, kNan, 0.5, 0.04});
}

TEST(MultiplicityTest, BenjaminiYekutieli) {
  const double harmonic = 25.0 / 12.0;
  ExpectNear(BenjaminiYekutieli(kP), {0.04 * harmonic, 0.04 * harmonic, kNan, 1.0, 0.04 * harmonic});
}

TEST(MultiplicityTest, NoAdjustedValueExceedsOne) {
  ExpectNear(Holm({0.9, 0.8}), {1.0, 1.0});
  ExpectNear(BenjaminiHochberg({1.0, 1.0}), {1.0, 1.0});
  ExpectNear(BenjaminiYekutieli({0.9, 0.8}), {1.0, 1.0});
}

TEST(MultiplicityTest, OfNothing) {
  ExpectNear(Holm({}), {});
  ExpectNear(BenjaminiHochberg({kNan}), {kNan});
}

}  // namespace
}  // namespace ablate::stats
