// What the table of statistics says of its tests.
#include "client/cpp/cli/statistics_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <string>

#include "absl/strings/str_join.h"
#include "tests/client/fixtures.h"

namespace ablate::cli {
namespace {

using ::testing::HasSubstr;

// Of a sweep that is tested without sign flips, as over pairs.
std::string Shown(int n_clusters, bool has_p) {
  const auto manifest = std::make_shared<const client::ScanManifest>(testing::MakeManifest());
  Summary summary{testing::MakeSummaryHead(*manifest), {testing::MakeSummary(*manifest)}};
  summary.head.set_sign_flips(0);
  summary.head.set_n_clusters(n_clusters);
  if (!has_p) {
    for (double& p : *summary.blocks[0].mutable_p_fwer()) p = std::nan("");
  }
  return absl::StrJoin(StatisticsTable(Legend(manifest), summary, Color::kNone), "\n");
}

TEST(StatisticsTableTest, NamesTheProcedure) {
  EXPECT_THAT(Shown(20, true), HasSubstr("p_fwer: Holm's step-down, of t tests over clusters"));
  // Whether there were enough clusters does not depend on the entries that are shown.
  EXPECT_THAT(Shown(20, false), HasSubstr("p_fwer: Holm's step-down"));
  EXPECT_THAT(Shown(19, false), HasSubstr("p_fwer, q_bh: not given under 20 clusters"));
}

}  // namespace
}  // namespace ablate::cli
