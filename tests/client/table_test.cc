// The table as it stands in a file or a pipe.
#include "client/cpp/cli/table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <memory>
#include <string>

#include "client/cpp/cli/row_order.h"
#include "client/cpp/cli/summary.h"
#include "tests/client/fixtures.h"

namespace ablate::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string Shown(const client::ScanManifest& manifest, const ablation::v1::RowBlock& rows, const TableOptions& options,
                  absl::Status* begin = nullptr) {
  const std::string path = ::testing::TempDir() + "/table";
  {
    auto output = Output::ToFile(path);
    TableWriter writer(output->get(), options);
    const auto status = writer.Begin(std::make_shared<const client::ScanManifest>(manifest));
    if (begin != nullptr) *begin = status;
    if (!status.ok()) return "";
    RowOrder order(manifest.n_prompts(), manifest.n_variants(),
                   [&](int prompt, absl::Span<const Row> whole) { return writer.Prompt(prompt, whole); });
    const auto block = std::make_shared<const Block>(rows);
    EXPECT_TRUE(writer.Arrived(*block).ok());
    EXPECT_TRUE(order.Take(block).ok());
    ablation::v1::Completion completion;
    completion.set_rows(manifest.head.total_rows());
    completion.mutable_timing()->set_total_ns(1'500'000'000);
    completion.mutable_timing()->set_forward_passes(1);
    EXPECT_TRUE(writer.End(completion).ok());
    EXPECT_TRUE((*output)->Commit().ok());
  }
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(TableTest, OnePromptGolden) {
  auto manifest = testing::MakeManifest();
  manifest.prompts[0].add_warnings("the prompt ends in a space");
  EXPECT_EQ(Shown(manifest, testing::MakeBlock({{0, 3}, {0, 1}, {0, -1}, {0, 0}, {0, 2}}),
                  {.color = Color::kNone, .focus_layer = 1}),
            R"(model     tiny: 2 layers x 2 heads | cpu (test) | float32 | ablated 0.1.0
tokens    2: 'Berlin' ' is'
warning   the prompt ends in a space

delta_target_logprob, one head at a time -> zero
change of log p(' Germany'), nats; negative: the head helps it
        H0    H1
L0   -0.10  0.25
L1   -1.50  0.05

target    ' Germany'  log p -0.1000 (p 0.9048), rank 0
contrast  ' France'  log p -1.6000 (p 0.2019), logit difference +1.5000
top-1     ' Germany'

Strongest heads
  head    log p target log p contrast    logit diff           KL   rank  top-1
  L1H0         -1.5000        +0.7500       -1.5000       2.2500      1  ' "France", so'  (changed)
  L0H1         +0.2500        -0.1250       +0.2500       0.0625      0  ' Germany'
  L0H0         -0.1000        +0.0500       -0.1000       0.0100      0  ' Germany'
  L1H1         +0.0500        -0.0250       +0.0500       0.0025      0  ' Germany'

Layer 1, each head ablated alone: the change of
        log p(' Germany')             log p(' France')
  L1H0   -1.5000 #########|            +0.7500          |#####
  L1H1   +0.0500          |            -0.0250          |

3 of 4 ablations keep the top-1 token ' Germany'
5 rows in 1.500 s (waited 0.000 s, forward 0.000 s in 1 pass)
)");
}

TEST(TableTest, WithoutATargetItShowsKl) {
  auto manifest = testing::MakeManifest();
  testing::DropTarget(&manifest.prompts[0]);
  const std::string shown = Shown(manifest, testing::MakeBlock({{0, 3}, {0, 1}, {0, -1}, {0, 0}, {0, 2}}, 0, false),
                                  {.color = Color::kNone, .focus_layer = 0});
  EXPECT_THAT(shown, HasSubstr("kl_divergence, one head at a time"));
  EXPECT_THAT(shown, HasSubstr("L1    2.25  0.00"));
  EXPECT_THAT(shown, HasSubstr("KL(baseline || ablated)"));
  EXPECT_THAT(shown, Not(HasSubstr("contrast  '")));
}

TEST(TableTest, ManyPromptsGetALineEachAndTheMeanMap) {
  std::vector<testing::RowId> rows;
  for (int p = 0; p < 2; ++p) {
    for (int v = -1; v < 4; ++v) rows.push_back({p, v});
  }
  const std::string shown = Shown(testing::MakeManifest(2), testing::MakeBlock(rows), {});
  EXPECT_THAT(shown, HasSubstr("    0  'Berlin is'"));
  EXPECT_THAT(shown, HasSubstr("    1  'Berlin is'"));
  EXPECT_THAT(shown, HasSubstr("L1H0        -3.0000  3/4"));
  EXPECT_THAT(shown, HasSubstr("Mean delta_target_logprob"));
  EXPECT_THAT(shown, HasSubstr("L1   -2.25  0.08"));  // the mean of -1.5 and -3; of 0.05 and 0.1
}

TEST(TableTest, AFocusLayerThatWasNotScannedIsRefused) {
  absl::Status status;
  Shown(testing::MakeManifest(), testing::MakeBlock({}), {.color = Color::kNone, .focus_layer = 2}, &status);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("layers 0 to 1"));
}

TEST(TableTest, AFileGetsNoEscapes) {
  EXPECT_THAT(Shown(testing::MakeManifest(), testing::MakeBlock({{0, 3}, {0, 1}, {0, -1}, {0, 0}, {0, 2}}), {}),
              Not(HasSubstr("\x1b")));
}

}  // namespace
}  // namespace ablate::cli
