// Every way for a batch to be refused, each with its message.
#include "engine/plan/check.h"

#include <functional>
#include <limits>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ablate {
namespace {

// Two prompts, the second with a variant of two edits: what the cases below damage.
struct Input {
  Variant variant{{{.site = {0, 1}, .positions = {1, 3}}, {.site = {2, 0}}}};
  std::vector<int32_t> reads = {1, 4};
  int32_t n_tokens = 5;
  PlanOptions options{.n_layers = 3, .max_packed_tokens = 100};

  absl::Status Plan() const {
    const std::vector<int32_t> first_reads = {0};
    const PlanPrompt prompts[] = {{.n_tokens = 1, .variants = {}, .read_positions = first_reads},
                                  {.n_tokens = n_tokens, .variants = {&variant, 1}, .read_positions = reads}};
    return MakePlan(prompts, options).status();
  }
};

struct Case {
  std::string name;
  std::function<void(Input&)> damage;
  std::string message;
};

class CheckBatchTest : public ::testing::TestWithParam<Case> {};

TEST(CheckBatchTest, TakesTheInputThatTheCasesDamage) {
  EXPECT_TRUE(Input().Plan().ok()) << Input().Plan();
}

TEST_P(CheckBatchTest, NamesTheFieldWhatCameAndWhatWasExpected) {
  Input input;
  GetParam().damage(input);
  const absl::Status status = input.Plan();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(), GetParam().message);
}

Edit& FirstEdit(Input& input) {
  return input.variant.edits[0];
}

INSTANTIATE_TEST_SUITE_P(
    Cases, CheckBatchTest,
    ::testing::Values(
        Case{"NoLayers", [](Input& i) { i.options.n_layers = 0; }, "n_layers is 0, expected at least 1"},
        Case{"FirstBelowZero", [](Input& i) { i.options.first_packed_tokens = -1; },
             "first_packed_tokens is -1, expected at least 0"},
        Case{"NoBudget", [](Input& i) { i.options.max_packed_tokens = 0; },
             "max_packed_tokens is 0, expected at least 1"},
        Case{"NoTokens", [](Input& i) { i.n_tokens = 0; }, "prompts[1].n_tokens is 0, expected at least 1"},
        Case{"NoReads", [](Input& i) { i.reads = {}; },
             "prompts[1].read_positions is empty, expected at least one position"},
        Case{"NegativeRead", [](Input& i) { i.reads = {-1, 2}; },
             "prompts[1].read_positions[0] is -1, expected 0 to 4"},
        Case{"ReadBehindTheEnd", [](Input& i) { i.reads = {0, 5}; },
             "prompts[1].read_positions[1] is 5, expected 0 to 4"},
        Case{"ReadTwice", [](Input& i) { i.reads = {2, 2}; },
             "prompts[1].read_positions[1] is 2 after 2; expected rising positions, each once"},
        Case{"ReadsUnsorted", [](Input& i) { i.reads = {3, 1}; },
             "prompts[1].read_positions[1] is 1 after 3; expected rising positions, each once"},
        Case{"NegativeLayer", [](Input& i) { FirstEdit(i).site.layer = -1; },
             "prompts[1].variants[0].edits[0].site.layer is -1, expected 0 to 2"},
        Case{"LayerTooLarge", [](Input& i) { i.variant.edits[1].site.layer = 3; },
             "prompts[1].variants[0].edits[1].site.layer is 3, expected 0 to 2"},
        Case{"NegativeHead", [](Input& i) { FirstEdit(i).site.head = -2; },
             "prompts[1].variants[0].edits[0].site.head is -2, expected at least 0"},
        Case{"NegativePosition", [](Input& i) { FirstEdit(i).positions = {-1, 2}; },
             "prompts[1].variants[0].edits[0].positions.begin is -1, expected 0 to 4"},
        Case{"PositionBehindTheEnd", [](Input& i) { FirstEdit(i).positions = {5, 6}; },
             "prompts[1].variants[0].edits[0].positions.begin is 5, expected 0 to 4"},
        Case{"EmptyRange", [](Input& i) { FirstEdit(i).positions = {2, 2}; },
             "prompts[1].variants[0].edits[0].positions is empty: [2, 2)"},
        Case{"ScaleNotANumber", [](Input& i) { FirstEdit(i).scale = std::numeric_limits<float>::quiet_NaN(); },
             "prompts[1].variants[0].edits[0].scale is nan, expected a finite number"},
        Case{"InfiniteScale", [](Input& i) { FirstEdit(i).scale = std::numeric_limits<float>::infinity(); },
             "prompts[1].variants[0].edits[0].scale is inf, expected a finite number"},
        Case{"EntryStrideUnknown", [](Input& i) { FirstEdit(i).entry_stride = 2; },
             "prompts[1].variants[0].edits[0].entry_stride is 2, expected 0 or 1"},
        Case{"NoDonor", [](Input& i) { FirstEdit(i).from_donor = true; },
             "prompts[1].variants[0].edits[0].from_donor is set, and the prompt has no donor"},
        Case{"EntryTooSmall", [](Input& i) { FirstEdit(i).entry = -2; },
             "prompts[1].variants[0].edits[0].entry is -2, expected -1 (none) or an entry of the table"},
        Case{
            "EditsUnsorted", [](Input& i) { std::swap(i.variant.edits[0], i.variant.edits[1]); },
            "prompts[1].variants[0].edits[1] (L0H1) comes before the edit in front of it (L2H0); expected edits sorted "
            "by site and positions"},
        Case{
            "RangesOfASiteUnsorted", [](Input& i) { i.variant.edits[1] = {.site = {0, 1}, .positions = {0, 1}}; },
            "prompts[1].variants[0].edits[1] (L0H1) comes before the edit in front of it (L0H1); expected edits sorted "
            "by site and positions"},
        Case{"SiteTwice", [](Input& i) { i.variant.edits[1] = i.variant.edits[0]; },
             "prompts[1].variants[0].edits[1].positions.begin is 1, inside the range of the edit before it at L0H1, "
             "which ends at 3; expected no overlap"},
        Case{"OverlappingRanges", [](Input& i) { i.variant.edits[1] = {.site = {0, 1}, .positions = {2, 4}}; },
             "prompts[1].variants[0].edits[1].positions.begin is 2, inside the range of the edit before it at L0H1, "
             "which ends at 3; expected no overlap"}),
    [](const ::testing::TestParamInfo<Case>& test) { return test.param.name; });

// Ranges end where they like: the default one covers every prompt.
TEST(CheckBatchTest, ClipsTheEndOfARange) {
  Input input;
  FirstEdit(input).positions = {4, INT32_MAX};
  EXPECT_TRUE(input.Plan().ok()) << input.Plan();
}

}  // namespace
}  // namespace ablate
