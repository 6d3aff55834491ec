// Two sweeps in one call: what the second will take is checked before the first runs, and kept for it.
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/scan_call.h"
#include "tests/server/test_server.h"

namespace ablate {
namespace {

namespace pb = ::ablation::v1;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

const std::vector<int32_t> kOurs = {7, 100};

pb::AblateRequest TwoSweeps() {
  pb::AblateRequest request = AnsweredPrompts(1, [](int) { return kOurs; });
  request.mutable_sweep()->mutable_cumulative();
  request.mutable_summary();
  return request;
}

TEST(FollowUpTest, BothSweepsCountAgainstTheLimit) {
  // Of two prompts of two tokens in two layers: seven rows for the heads, then four for the pairs, each read once.
  constexpr int64_t kCost = 2 * (2 * 2 * (7 + 4) + FakeEngine::ReadCost(7) + FakeEngine::ReadCost(4));
  for (const auto& [limit, is_ok] : {std::pair(kCost, true), std::pair(kCost - 1, false)}) {
    TestServer server({.limits = {.cost = limit}});
    server.Serve();
    pb::AblateRequest request = AnsweredPrompts(2, [](int i) { return std::vector<int32_t>{i + 1, 100}; });
    request.mutable_sweep()->mutable_pairs()->set_strongest(2);
    const ScanResult result = RunScan(server.stub(), request);
    EXPECT_EQ(result.status.ok(), is_ok) << result.status.error_message();
    if (is_ok) continue;
    EXPECT_EQ(result.status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
    EXPECT_EQ(DetailsOf(result.status).quota.violations_size(), 1);
    EXPECT_THAT(server.device().runs(), IsEmpty()) << "refused before the first sweep, not behind it";
  }
}

// Where a prompt is cut into chunks an order may cost more than the one that was priced.
TEST(FollowUpTest, AnOrderThatIsDearerThanExpectedRunsAllTheSame) {
  TestServer server({.limits = {.cost = 1000}});
  server.Serve();
  const auto takes_strongest = [](const Scan& scan) {
    return std::any_of(scan.variants.begin(), scan.variants.end(), [](const Variant& variant) {
      return variant.edits.size() == 2 && variant.edits[0].site == Site{1, 1} && variant.edits[1].site == Site{1, 2};
    });
  };
  server.device().SetCost([&](const Scan& scan) { return takes_strongest(scan) ? 1000 : 100; });
  pb::AblateRequest request = AnsweredPrompts(1, [](int) { return kOurs; });
  request.mutable_sweep()->mutable_pairs()->set_strongest(2);
  const ScanResult result = RunScan(server.stub(), request);
  ASSERT_TRUE(result.status.ok()) << result.status.error_message();
  EXPECT_GT(result.manifest().cost(), 1000);
}

// A table for the second sweep that does not fit was found out when the first one had run.
TEST(FollowUpTest, ItsSummaryIsRefusedBeforeTheFirstSweepRuns) {
  TestServer server;
  server.Serve();
  // (30,000 prompts + 32) x 3 replacements x 21 variants x 32 positions; of the 6 heads they would be 17 million.
  pb::AblateRequest request = AnsweredPrompts(30'000, [](int i) { return std::vector<int32_t>(32, i % 256); });
  request.mutable_sweep()->mutable_pairs()->set_strongest(6);
  for (int r = 0; r < 3; ++r) request.add_replacements()->mutable_scale()->set_factor(static_cast<float>(r));
  request.mutable_readout()->set_all_positions(true);
  request.mutable_summary();
  const ScanResult result = RunScan(server.stub(), request);
  EXPECT_EQ(result.status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(DetailsOf(result.status).info.reason(), "SUMMARY_TOO_LARGE");
  EXPECT_THAT(result.status.error_message(), HasSubstr("60544512 values, expected at most 50000000"));
  EXPECT_THAT(server.device().runs(), IsEmpty());
}

// What one prompt's summary of six entries keeps, and a thousand prompts'.
constexpr int64_t kOurValues = (1 + 32) * 6, kOtherValues = (1000 + 32) * 6;

pb::AblateRequest ThousandPrompts() {
  pb::AblateRequest request = AnsweredPrompts(1000, [](int i) { return std::vector<int32_t>{i % 256}; });
  request.mutable_summary();
  return request;
}

// The first sweep's room is the second's, which used to ask for its own beside it.
TEST(FollowUpTest, TheSecondSweepTakesTheFirstOnesRoom) {
  TestServer server({.max_delta_values = kOtherValues + kOurValues});
  server.Serve(14);  // One prompt a batch.
  server.device().Pause();
  ScanCall other(server.stub(), ThousandPrompts());
  ASSERT_TRUE(other.Admitted());
  ScanCall call(server.stub(), TwoSweeps());
  // The two take turns from some run on: the other one is not done when our first sweep is.
  const auto ours = Contains(ElementsAre(kOurs));
  for (int i = 0; i < 900 && !testing::Value(server.device().runs(), ours); ++i) {
    server.device().Allow(1);
    absl::SleepFor(absl::Milliseconds(2));
  }
  ASSERT_THAT(server.device().runs(), ours);
  server.device().Allow(1);
  EXPECT_TRUE(call.Admitted()) << call.Wait().status.error_message();
  server.device().Resume();
  EXPECT_TRUE(call.Wait().status.ok()) << call.Wait().status.error_message();
  EXPECT_TRUE(other.Wait().status.ok());
}

TEST(FollowUpTest, WithoutRoomForTheSecondTheFirstIsNotRun) {
  TestServer server({.max_delta_values = kOtherValues + kOurValues - 1});
  server.Serve(14);
  server.device().Pause();
  ScanCall other(server.stub(), ThousandPrompts());
  ASSERT_TRUE(other.Admitted());
  const ScanResult refused = RunScan(server.stub(), TwoSweeps());
  EXPECT_EQ(refused.status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(DetailsOf(refused.status).info.reason(), "QUEUE_FULL");
  EXPECT_TRUE(DetailsOf(refused.status).retry.has_retry_delay());
  server.device().Resume();
  EXPECT_TRUE(other.Wait().status.ok());
  EXPECT_THAT(server.device().runs(), Not(Contains(ElementsAre(kOurs))));
}

}  // namespace
}  // namespace ablate
