// Which means of a summary are under the numeric floor.
#include <memory>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/summary.h"

namespace ablate {
namespace {

using ::testing::ElementsAre;

// Two prompts of one token whose variants have these deltas.
DeltaTable DeltasOf(std::shared_ptr<PreparedRequest> prepared, const std::vector<double>& deltas) {
  prepared->replacements.resize(1);
  prepared->variants.resize(deltas.size());
  prepared->prompts.resize(2);
  for (PreparedPrompt& prompt : prepared->prompts) {
    prompt.token_ids = {1};
    prompt.read_positions = {0};
  }
  DeltaTable table(prepared);
  WireRows rows;
  for (size_t v = 0; v < deltas.size(); ++v) {
    rows.values.variant.push_back(static_cast<int32_t>(v));
    rows.values.position.push_back(0);
    rows.replacement.push_back(0);
    rows.edit_position.push_back(-1);
  }
  rows.values.target_logprob = rows.values.logit_diff = std::vector<double>(deltas.size(), -1);
  rows.values.delta_target_logprob = rows.values.delta_logit_diff = deltas;
  table.Take(0, rows);
  table.Take(1, rows);
  return table;
}

std::vector<bool> BelowFloor(const DeltaTable& deltas, std::vector<NumericFloor> floors) {
  SummaryRequest request;
  request.estimates = {0, 1};
  request.floors = std::move(floors);
  const auto messages = MakeSummary(deltas, request, [] { return absl::OkStatus(); });
  EXPECT_TRUE(messages.ok()) << messages.status();
  if (!messages.ok()) return {};
  const auto& below = messages->at(1).summary_block().below_floor();
  return {below.begin(), below.end()};
}

TEST(SummaryFloorTest, EffectsUnderTheFloorAreFlagged) {
  const auto prepared = std::make_shared<PreparedRequest>();
  prepared->readout.primary = PrimaryMetric::kTargetLogprob;
  const DeltaTable deltas = DeltasOf(prepared, {1e-6, -1e-3});
  EXPECT_THAT(BelowFloor(deltas, {{.column = "delta_target_logprob", .n_tokens = 8, .floor = 1e-5}}),
              ElementsAre(true, false));
}

// The floor of a single position stood for that of a sum over five.
TEST(SummaryFloorTest, ASequencesFloorIsThatOfAllItsLogProbs) {
  const auto prepared = std::make_shared<PreparedRequest>();
  prepared->readout.is_sequence = true;
  prepared->prompts.resize(2);
  prepared->prompts[0].target_ids = {1, 2, 3};
  prepared->prompts[0].contrast_ids = {4, 5};
  prepared->prompts[1].target_ids = prepared->prompts[1].contrast_ids = {6};
  const std::vector<NumericFloor> floors = {{.column = "delta_logit_diff", .n_tokens = 8, .floor = 1},
                                            {.column = "delta_target_logprob", .n_tokens = 2, .floor = 1e-7},
                                            // A prompt of one token with two appended.
                                            {.column = "delta_target_logprob", .n_tokens = 3, .floor = 1e-5}};
  prepared->readout.primary = PrimaryMetric::kLogitDiff;
  EXPECT_THAT(BelowFloor(DeltasOf(prepared, {4.9e-5, -5.1e-5}), floors), ElementsAre(true, false));
  prepared->readout.primary = PrimaryMetric::kTargetLogprob;
  EXPECT_THAT(BelowFloor(DeltasOf(prepared, {2.9e-5, -3.1e-5}), floors), ElementsAre(true, false));
}

TEST(SummaryFloorTest, WhoeverIsGoneGetsNoSummary) {
  const auto prepared = std::make_shared<PreparedRequest>();
  prepared->readout.primary = PrimaryMetric::kTargetLogprob;
  SummaryRequest request;
  request.estimates = {0, 1};
  const auto stopped =
      MakeSummary(DeltasOf(prepared, {1}), request, [] { return absl::CancelledError("the client has left"); });
  EXPECT_EQ(stopped.status().code(), absl::StatusCode::kCancelled);
}

}  // namespace
}  // namespace ablate
