// Sweeps whose sites a `heads` sweep chooses first: the order, the halves, and that both run as one call.
#include "server/selection.h"

#include <chrono>
#include <cmath>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/scan_call.h"
#include "tests/server/test_server.h"

namespace ablate {
namespace {

namespace pb = ::ablation::v1;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// `count` prompts of two tokens with a target; zeroing site i changes the first metric by 12.5 % of weight (i + 1).
pb::AblateRequest Prompts(int count) {
  return AnsweredPrompts(count, [](int i) { return std::vector<int32_t>{i + 1, 100}; });
}

// The mean delta of a zeroed site over prompts whose first tokens are `first`.
double MeanDelta(Site site, const std::vector<int>& first) {
  double sum = 0;
  for (const int id : first) {
    Scan scan;
    scan.token_ids = {id, 100};
    sum += FakeEngine::Logprob(FakeEngine::Residual(scan, {.edits = {{.site = site}}}, 1), FakeTokenizer::kGermany) -
           FakeEngine::Logprob(FakeEngine::Residual(scan, {}, 1), FakeTokenizer::kGermany);
  }
  return sum / static_cast<double>(first.size());
}

std::vector<std::string> Labels(const ScanResult& result) {
  std::vector<std::string> labels;
  for (const pb::Variant& variant : result.variants()) labels.push_back(variant.label());
  return labels;
}

TEST(SelectionTest, PairsAmongTheStrongest) {
  TestServer server;
  server.Serve();
  pb::AblateRequest request = Prompts(2);
  request.mutable_sweep()->mutable_pairs()->set_strongest(2);
  const ScanResult result = RunScan(server.stub(), request);
  ASSERT_TRUE(result.status.ok()) << result.status.error_message();
  EXPECT_THAT(Labels(result), testing::UnorderedElementsAre("L1H1", "L1H2", "L1H1+L1H2"));
  EXPECT_EQ(result.rows(), 2 * 4);
  const pb::Selection& selection = result.manifest().selection();
  ASSERT_THAT(selection.sites(), SizeIs(6));
  for (int i = 0; i < 6; ++i) {
    const Site site = {selection.sites(i).layer(), selection.sites(i).head()};
    EXPECT_EQ(site.layer * 3 + site.head, 5 - i);
    EXPECT_EQ(selection.mean_delta(i), MeanDelta(site, {1, 2}));
  }
  EXPECT_THAT(selection.prompt_index(), IsEmpty());
  // Two prompts of two tokens in two layers: seven rows each, then four; and a read a row.
  EXPECT_EQ(result.manifest().cost(), 2 * (2 * 2 * (7 + 4) + FakeEngine::ReadCost(7) + FakeEngine::ReadCost(4)));
  EXPECT_THAT(server.device().variants_of_runs(), ElementsAre(ElementsAre(6, 6), ElementsAre(3, 3)));
}

TEST(SelectionTest, TimingIsOfBothSweeps) {
  TestServer server;
  server.Serve();
  server.device().SlowTexts(absl::Milliseconds(50));
  pb::AblateRequest request = ScanRequest("Berlin is");
  request.mutable_sweep()->mutable_pairs()->set_strongest(2);
  const ScanResult result = RunScan(server.stub(), request);
  ASSERT_TRUE(result.status.ok()) << result.status.error_message();
  const pb::Timing& timing = result.completion().timing();
  EXPECT_EQ(timing.plan_ns(), 2);
  EXPECT_EQ(timing.forward_ns(), 2000);
  EXPECT_EQ(timing.readout_ns(), 200);
  EXPECT_EQ(timing.forward_passes(), 2);
  // Of the first, which has six variants and not three.
  EXPECT_EQ(timing.peak_bytes(), 6 * FakeEngine::kVariantBytes);
  EXPECT_GE(timing.prepare_ns(), 50'000'000);
  EXPECT_GE(timing.queue_ns(), timing.prepare_ns()) << "the second sweep is prepared behind it";
  EXPECT_GE(timing.total_ns(), timing.queue_ns() + 50'000'000);
}

TEST(SelectionTest, CumulativeOrderForwardsAndBackwards) {
  for (const bool backwards : {false, true}) {
    TestServer server;
    server.Serve();
    pb::AblateRequest request = Prompts(1);
    request.mutable_sweep()->mutable_cumulative()->set_backwards(backwards);
    request.mutable_sweep()->mutable_cumulative()->set_steps(3);
    const ScanResult result = RunScan(server.stub(), request);
    ASSERT_TRUE(result.status.ok()) << result.status.error_message();
    if (backwards) {
      EXPECT_THAT(Labels(result), ElementsAre("L0H0", "L0H0+L0H1", "L0H*"));
    } else {
      EXPECT_THAT(Labels(result), ElementsAre("L1H2", "L1H1+L1H2", "L1H*"));
    }
  }
}

TEST(SelectionTest, AGivenOrderNeedsNoSweepFirst) {
  TestServer server;
  server.Serve();
  pb::AblateRequest request = Prompts(1);
  request.mutable_sweep()->mutable_cumulative()->add_order("L0H1");
  const ScanResult result = RunScan(server.stub(), request);
  ASSERT_TRUE(result.status.ok()) << result.status.error_message();
  EXPECT_FALSE(result.manifest().has_selection());
  EXPECT_THAT(server.device().runs(), SizeIs(1));
}

// As in summaries: what was chosen by prompts was not what the statistics called the strongest.
TEST(SelectionTest, TemplatesWeighAlike) {
  TestServer server;
  server.Serve();
  pb::AblateRequest request = Prompts(4);
  for (int i = 0; i < 4; ++i) request.mutable_prompts(i)->set_template_(i == 2 ? "small" : "large");
  request.mutable_sweep()->mutable_pairs()->set_strongest(2);
  const ScanResult result = RunScan(server.stub(), request);
  ASSERT_TRUE(result.status.ok()) << result.status.error_message();
  const pb::Selection& selection = result.manifest().selection();
  EXPECT_EQ(selection.mean_delta(0), (MeanDelta({1, 2}, {1, 2, 4}) + MeanDelta({1, 2}, {3})) / 2);
}

// What chooses must not estimate.
TEST(SelectionTest, SplitChoosesOnOneHalfAndEstimatesOnTheOther) {
  TestServer server;
  server.Serve();
  pb::AblateRequest request = Prompts(11);
  request.mutable_sweep()->mutable_pairs()->set_strongest(2);
  request.mutable_summary()->set_split(true);
  const ScanResult result = RunScan(server.stub(), request);
  ASSERT_TRUE(result.status.ok()) << result.status.error_message();
  const pb::Selection& selection = result.manifest().selection();
  ASSERT_THAT(selection.prompt_index(), SizeIs(5));
  std::vector<int> first;
  std::vector<std::vector<int32_t>> chosen;
  for (const int32_t prompt : selection.prompt_index()) {
    first.push_back(prompt + 1);
    chosen.push_back({prompt + 1, 100});
  }
  EXPECT_EQ(selection.mean_delta(0), MeanDelta({1, 2}, first));
  EXPECT_EQ(server.device().runs().at(0), chosen) << "the others are not even run";
  EXPECT_EQ(result.rows(), 11 * 4) << "but all of them get their rows";
  EXPECT_EQ(result.manifest().cost(),
            5 * (2 * 2 * 7 + FakeEngine::ReadCost(7)) + 11 * (2 * 2 * 4 + FakeEngine::ReadCost(4)));
  bool has_head = false;
  for (const auto& response : result.responses) {
    if (response.has_summary_head()) {
      has_head = true;
      EXPECT_EQ(response.summary_head().n_prompts(), 6);
    }
    for (const bool flag : response.summary_block().selected_in_sample()) EXPECT_FALSE(flag);
  }
  EXPECT_TRUE(has_head);
}

TEST(SelectionTest, SplitKeepsTemplatesTogether) {
  std::vector<PreparedPrompt> prompts(12);
  for (size_t i = 0; i < prompts.size(); ++i) prompts[i].template_name = std::string(1, static_cast<char>('a' + i % 4));
  const auto split = SplitClusters(prompts, 3);
  ASSERT_TRUE(split.ok());
  EXPECT_THAT(split->chooses, SizeIs(6));
  EXPECT_THAT(split->estimates, SizeIs(6));
  for (const int32_t a : split->chooses) {
    for (const int32_t b : split->estimates) EXPECT_NE(a % 4, b % 4);
  }
  EXPECT_EQ(SplitClusters(prompts, 3)->chooses, split->chooses) << "equal seeds, equal halves";
  bool differs = false;
  for (uint64_t seed = 4; seed < 12; ++seed)
    differs = differs || SplitClusters(prompts, seed)->chooses != split->chooses;
  EXPECT_TRUE(differs);
}

TEST(SelectionTest, OneClusterCannotBeSplit) {
  std::vector<PreparedPrompt> prompts(3);
  for (PreparedPrompt& prompt : prompts) prompt.template_name = "a";
  const auto split = SplitClusters(prompts, 0);
  EXPECT_EQ(split.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(split.status().message()), HasSubstr("summary.split: the prompts make 1 cluster"));
}

TEST(SelectionTest, EqualStrengthsStandInTheModelsOrder) {
  PreparedRequest prepared;
  prepared.readout.primary = PrimaryMetric::kLogitDiff;
  prepared.prompts.resize(1);
  prepared.prompts[0].read_positions = {4, 7};
  prepared.variants.resize(3);
  prepared.variants[0].sites = {{1, 0}};
  prepared.variants[1].sites = {{0, 2}};
  prepared.variants[2].sites = {{0, 1}};
  SiteStrengths strengths(std::make_shared<const PreparedRequest>(prepared));
  WireRows rows;
  rows.values.variant = {2, 0, 1, 0, 1, -1};
  rows.values.position = {7, 7, 7, 4, 7, 7};
  rows.replacement = {0, 0, 0, 0, 1, -1};
  // A large one under another replacement, and one at another position, do not count.
  rows.values.delta_logit_diff = {-2, 3, 2, 100, 100, 0};
  strengths.Take(0, rows);
  const pb::Selection order = strengths.Order();
  EXPECT_THAT(order.mean_delta(), ElementsAre(3, -2, 2));
  EXPECT_EQ(order.sites(1).head(), 1);
  EXPECT_EQ(order.sites(2).head(), 2);
}

// Until or 10 s.
template <typename Done>
bool Eventually(const Done& done) {
  for (int i = 0; i < 1000; ++i) {
    if (done()) return true;
    absl::SleepFor(absl::Milliseconds(10));
  }
  return false;
}

TEST(SelectionTest, WhoLeavesOrIsLateInTheFirstSweepGetsNoSecond) {
  for (const bool is_late : {false, true}) {
    TestServer server({.max_calls = 1});
    server.Serve();
    server.device().Pause();
    pb::AblateRequest request = Prompts(1);
    request.mutable_sweep()->mutable_cumulative();
    ScanCall call(server.stub(), request, is_late ? std::chrono::milliseconds(300) : std::chrono::seconds(60));
    ASSERT_TRUE(server.device().WaitForRuns(1));
    if (!is_late) call.Cancel();
    EXPECT_EQ(call.Wait().status.error_code(),
              is_late ? grpc::StatusCode::DEADLINE_EXCEEDED : grpc::StatusCode::CANCELLED);
    ASSERT_TRUE(server.device().WaitForCancelled());
    server.device().Resume();
    ASSERT_TRUE(Eventually([&server] { return RunScan(server.stub(), Prompts(1)).status.ok(); }));
    EXPECT_THAT(server.device().variants_of_runs(), ElementsAre(ElementsAre(6), ElementsAre(6)))
        << "the first sweep's, and the other request's";
  }
}

TEST(SelectionTest, AnErrorOfTheFirstSweepIsTheCalls) {
  TestServer server;
  server.Serve();
  server.device().FailWhere([](const Scan&) { return true; });
  pb::AblateRequest request = Prompts(1);
  request.mutable_sweep()->mutable_cumulative();
  const ScanResult result = RunScan(server.stub(), request);
  EXPECT_EQ(result.status.error_code(), grpc::StatusCode::INTERNAL);
  EXPECT_EQ(DetailsOf(result.status).info.reason(), "ENGINE_FAILED");
  EXPECT_THAT(result.responses, IsEmpty());
}

}  // namespace
}  // namespace ablate
