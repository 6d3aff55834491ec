// What a scan would take, told without running it: the planner's figures, batch by batch.
#include "server/explain.h"

#include <memory>
#include <random>
#include <utility>
#include <vector>

#include "engine/scan_plan.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/prepare_call.h"
#include "tests/server/scan_call.h"
#include "tests/server/test_server.h"

namespace ablate {
namespace {

namespace pb = ::ablation::v1;
using ::testing::IsEmpty;
using ::testing::SizeIs;

pb::ExplainPlanResponse MustExplain(TestServer& server, const pb::AblateRequest& scan) {
  const ExplainResult explained = ExplainScan(server.stub(), scan);
  EXPECT_TRUE(explained.status.ok()) << explained.status.error_message();
  EXPECT_THAT(server.device().runs(), IsEmpty()) << "nothing runs";
  return explained.plan;
}

pb::AblateRequest TwoTokens() {
  return AnsweredPrompts(1, [](int) { return std::vector<int32_t>{7, 100}; });
}

// Hardly two batches of some prompts are alike.
pb::AblateRequest OfMixedLengths(int count) {
  std::mt19937 random(1);
  return AnsweredPrompts(count, [&random](int i) { return std::vector<int32_t>(size_t{1} + random() % 9, i % 256); });
}

// The prompts' lengths are 1, 2, 3, 1, 2, ...
pb::AblateRequest OfLengths(int count) {
  return AnsweredPrompts(count, [](int i) { return std::vector<int32_t>(static_cast<size_t>(i % 3 + 1), i % 256); });
}

void ExpectLayer(const pb::PlannedLayer& layer, std::vector<int64_t> figures) {
  EXPECT_THAT((std::vector<int64_t>{layer.forward_passes(), layer.rows_in(), layer.rows_out(), layer.tokens_in(),
                                    layer.tokens_out()}),
              ::testing::ElementsAreArray(figures));
}

// Of 2 layers with 3 heads of 4, an MLP of 48 and 261 tokens: the baseline splits into it and a run for each head of
// the layer, and of the last layer only what is read leaves.
TEST(ExplainTest, AllHeadsOfTwoTokens) {
  TestServer server;
  server.Serve();
  const pb::ExplainPlanResponse plan = MustExplain(server, TwoTokens());
  EXPECT_EQ(plan.n_prompts(), 1);
  EXPECT_EQ(plan.n_runs(), 7);
  EXPECT_EQ(plan.forward_passes(), 1);
  ASSERT_THAT(plan.layers(), SizeIs(2));
  ExpectLayer(plan.layers(0), {1, 1, 4, 2, 8});
  ExpectLayer(plan.layers(1), {1, 4, 7, 8, 7});
  EXPECT_EQ(plan.packed_tokens(), 8 + 7);
  EXPECT_EQ(plan.unshared_packed_tokens(), 7 * 2 * 2);
  EXPECT_EQ(plan.gemm_flops(), 2 * ((2 + 8) * 3 * 144 + (8 + 7) * (144 + 2 * 12 * 48)));
  EXPECT_EQ(plan.attention_flops(), 4 * 12 * (1 + 4) * 3);
  EXPECT_EQ(plan.readout_flops(), 2 * 7 * 12 * 261);
  EXPECT_EQ(plan.bytes_moved(), 4 * (2 * (4 * 144 + 2 * 12 * 48) + 12 * 261 + 12 * (2 + 8 + 8 + 7)));
  EXPECT_EQ(plan.max_cost(), RequestLimits().cost);

  const ScanResult scan = RunScan(server.stub(), TwoTokens());
  ASSERT_TRUE(scan.status.ok()) << scan.status.error_message();
  EXPECT_EQ(plan.cost(), scan.manifest().cost());
  EXPECT_EQ(plan.total_rows(), scan.manifest().total_rows());
}

TEST(ExplainTest, AnElementHasTheBytesOfThePrecision) {
  const int64_t weights = 2 * (4 * 144 + 2 * 12 * 48) + 12 * 261, residuals = 12 * (2 + 8 + 8 + 7);
  for (const auto& [precision, bytes] : {std::pair(Precision::kFloat32, 4 * weights + 4 * residuals),
                                         std::pair(Precision::kFloat64, 8 * weights + 8 * residuals),
                                         std::pair(Precision::kBf16, 2 * weights + 4 * residuals)}) {
    TestServer server;
    auto engine = std::make_unique<FakeEngine>(std::make_shared<FakeDevice>());
    engine->info().precision = precision;
    server.server().Serve(std::move(engine));
    EXPECT_EQ(MustExplain(server, TwoTokens()).bytes_moved(), bytes) << Name(precision);
  }
}

// What the engine says of each of the device's runs, added up.
pb::ExplainPlanResponse SumOfRuns(TestServer& server, const pb::AblateRequest& request, int64_t max_packed_tokens) {
  const ScanResult scan = RunScan(server.stub(), request);
  EXPECT_TRUE(scan.status.ok()) << scan.status.error_message();
  auto prepared = PrepareFake(request);
  EXPECT_TRUE(prepared.ok()) << prepared.status();
  pb::ExplainPlanResponse sum;
  sum.set_cost(scan.manifest().cost());
  sum.set_total_rows(scan.manifest().total_rows());
  size_t unit = 0;
  for (const auto& run : server.device().runs()) {
    std::vector<Scan> scans;
    for (size_t i = 0; i < run.size(); ++i) scans.push_back(prepared->MakeScan(unit++));
    const auto planner = PlannerOf(scans, {FakeEngine::kLayers, max_packed_tokens});
    EXPECT_TRUE(planner.ok()) << planner.status();
    sum.set_forward_passes(sum.forward_passes() + planner->n_chunks());
    sum.set_packed_tokens(sum.packed_tokens() + planner->cost());
    const WorkFigures figures = FiguresOf(planner->Work(), {12, 48, 261});
    sum.set_gemm_flops(sum.gemm_flops() + figures.gemm_flops);
    sum.set_attention_flops(sum.attention_flops() + figures.attention_flops);
    sum.set_readout_flops(sum.readout_flops() + figures.readout_flops);
    sum.set_bytes_moved(sum.bytes_moved() + 4 * figures.elements_moved());
  }
  EXPECT_EQ(unit, prepared->units.size());
  return sum;
}

void ExpectSameSums(const pb::ExplainPlanResponse& plan, const pb::ExplainPlanResponse& sum) {
  EXPECT_EQ(plan.cost(), sum.cost());
  EXPECT_EQ(plan.total_rows(), sum.total_rows());
  EXPECT_EQ(plan.forward_passes(), sum.forward_passes());
  EXPECT_EQ(plan.packed_tokens(), sum.packed_tokens());
  EXPECT_EQ(plan.gemm_flops(), sum.gemm_flops());
  EXPECT_EQ(plan.attention_flops(), sum.attention_flops());
  EXPECT_EQ(plan.readout_flops(), sum.readout_flops());
  EXPECT_EQ(plan.bytes_moved(), sum.bytes_moved());
}

// Batches of several prompts, of one, and prompts that are cut; with units of several kinds.
TEST(ExplainTest, IsTheSumOfTheBatchesThatRun) {
  pb::AblateRequest plain = OfLengths(20);
  pb::AblateRequest likelihood = OfLengths(10);
  likelihood.mutable_readout()->set_likelihood(true);
  for (auto& prompt : *likelihood.mutable_prompts()) prompt.mutable_token_ids()->add_ids(3);
  pb::AblateRequest pairs = OfLengths(7);
  pairs.mutable_sweep()->mutable_pairs();
  pb::AblateRequest each = OfLengths(9);
  each.mutable_edit_positions()->set_each(true);
  for (const pb::AblateRequest& request : {plain, likelihood, pairs, each}) {
    for (const int64_t max_packed_tokens : {1, 9, 150, 1000}) {
      SCOPED_TRACE(max_packed_tokens);
      TestServer server;
      server.Serve(max_packed_tokens);
      const pb::ExplainPlanResponse plan = MustExplain(server, request);
      ExpectSameSums(plan, SumOfRuns(server, request, max_packed_tokens));
    }
  }
}

// More kinds of batches than are kept.
TEST(ExplainTest, IsTheSumOfManyKindsOfBatches) {
  TestServer server;
  server.Serve(500);
  const pb::AblateRequest request = OfMixedLengths(2000);
  const pb::ExplainPlanResponse plan = MustExplain(server, request);
  ExpectSameSums(plan, SumOfRuns(server, request, 500));
  EXPECT_GT(server.device().runs().size(), 300U);
}

// Of 7 runs of one token in 2 layers each prompt costs 14 + 13 with its reads.
TEST(ExplainTest, PromptsShareABatchUpToItsCost) {
  for (const auto& [batch_cost, passes] : {std::pair(53, 5), std::pair(54, 3), std::pair(81, 2), std::pair(1000, 1)}) {
    TestServer server;
    server.Serve(batch_cost);
    EXPECT_EQ(MustExplain(server, ManyPrompts(5)).forward_passes(), passes) << batch_cost;
  }
}

// Results that wait for their reader end a batch too.
TEST(ExplainTest, ABatchHoldsNoMoreResultsThanAStreamMay) {
  TestServer server({.max_stream_bytes = 1});
  server.Serve();
  const pb::ExplainPlanResponse plan = MustExplain(server, ManyPrompts(5));
  EXPECT_EQ(plan.forward_passes(), 5);
  ExpectSameSums(plan, SumOfRuns(server, ManyPrompts(5), 1000));
}

TEST(ExplainTest, RunsAreThoseThatAreAskedFor) {
  TestServer server;
  server.Serve();
  pb::AblateRequest request = TwoTokens();
  request.mutable_prompts(0)->mutable_corrupted_token_ids()->add_ids(1);
  request.mutable_prompts(0)->mutable_corrupted_token_ids()->add_ids(2);
  request.add_replacements()->mutable_resample()->set_direction(pb::DIRECTION_NOISING);
  pb::ExplainPlanResponse plan = MustExplain(server, request);
  EXPECT_EQ(plan.n_runs(), 2 + 6) << "the clean run, the corrupted one, and six edited ones";
  EXPECT_EQ(plan.unshared_packed_tokens(), (2 + 6) * 2 * 2);
  request.add_replacements()->mutable_resample()->set_direction(pb::DIRECTION_DENOISING);
  plan = MustExplain(server, request);
  EXPECT_EQ(plan.n_runs(), 2 + 6 + 6) << "the unedited runs are the same";
  // The engine runs all of it once more, and packs as much: that is not saved.
  request.mutable_readout()->set_likelihood(true);
  EXPECT_EQ(MustExplain(server, request).unshared_packed_tokens(), plan.unshared_packed_tokens());
  EXPECT_GT(MustExplain(server, request).packed_tokens(), plan.packed_tokens());
  // A target of three tokens, two of which are appended.
  request = TwoTokens();
  request.mutable_prompts(0)->mutable_targets(0)->set_text("abc");
  request.mutable_readout()->set_target_mode(pb::TARGET_MODE_SEQUENCE);
  plan = MustExplain(server, request);
  EXPECT_EQ(plan.n_runs(), 7);
  EXPECT_EQ(plan.unshared_packed_tokens(), 7 * 4 * 2);
  // A contrast of two, one of which is appended, has runs of its own.
  request.mutable_prompts(0)->add_contrasts()->set_text("ab");
  plan = MustExplain(server, request);
  EXPECT_EQ(plan.n_runs(), 7 + 7);
  EXPECT_EQ(plan.unshared_packed_tokens(), 7 * 4 * 2 + 7 * 3 * 2);
}

TEST(ExplainTest, WhatIsTooDearIsExplainedToo) {
  TestServer server({.limits = {.cost = 10}});
  server.Serve();
  const pb::ExplainPlanResponse plan = MustExplain(server, TwoTokens());
  EXPECT_EQ(plan.cost(), 2 * 7 * 2 + FakeEngine::ReadCost(7));
  EXPECT_EQ(plan.max_cost(), 10);
  EXPECT_EQ(RunScan(server.stub(), TwoTokens()).status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
}

// The heads sweep that chooses, and what follows at its dearest choice.
TEST(ExplainTest, BothSweepsCount) {
  pb::AblateRequest pairs = AnsweredPrompts(2, [](int i) { return std::vector<int32_t>{i + 1, 100}; });
  pairs.mutable_sweep()->mutable_pairs()->set_strongest(2);
  pb::AblateRequest split = AnsweredPrompts(4, [](int i) { return std::vector<int32_t>{i + 1, 100}; });
  split.mutable_sweep()->mutable_cumulative();
  split.mutable_readout()->set_all_positions(true);
  split.mutable_summary()->set_split(true);
  for (const auto& [request, n_runs] : {std::pair(pairs, 2 * 7 + 2 * 4), std::pair(split, 2 * 7 + 4 * 7)}) {
    TestServer server;
    server.Serve();
    const pb::ExplainPlanResponse plan = MustExplain(server, request);
    EXPECT_EQ(plan.n_prompts(), request.prompts_size());
    EXPECT_EQ(plan.n_runs(), n_runs);
    EXPECT_EQ(plan.forward_passes(), 2);
    const ScanResult scan = RunScan(server.stub(), request);
    ASSERT_TRUE(scan.status.ok()) << scan.status.error_message();
    EXPECT_EQ(plan.cost(), scan.manifest().cost());
    EXPECT_EQ(plan.total_rows(), scan.manifest().total_rows());
  }
}

// The lowest layers: of two heads in the first one both are edited from there on, and their pair.
TEST(ExplainTest, WhatFollowsIsTakenAtItsDearestChoice) {
  TestServer server;
  server.Serve();
  pb::AblateRequest chosen = TwoTokens();
  chosen.mutable_sweep()->mutable_pairs()->set_strongest(2);
  pb::AblateRequest dearest = TwoTokens();
  dearest.mutable_sweep()->mutable_pairs();
  for (const char* site : {"L0H0", "L0H1"}) dearest.mutable_sweep()->mutable_filter()->add_sites(site);
  EXPECT_EQ(MustExplain(server, chosen).packed_tokens(),
            MustExplain(server, TwoTokens()).packed_tokens() + MustExplain(server, dearest).packed_tokens());
}

std::vector<pb::AblateRequest> BadRequests() {
  std::vector<pb::AblateRequest> bad(5, TwoTokens());
  bad[0].clear_prompts();
  bad[1].mutable_prompts(0)->mutable_targets(0)->set_id(1000);
  bad[2].add_replacements()->mutable_mean()->set_library("none");
  bad[3].mutable_sweep()->GetReflection()->MutableUnknownFields(bad[3].mutable_sweep())->AddVarint(77, 1);
  bad[4].mutable_summary()->set_split(true);
  bad[4].mutable_sweep()->mutable_cumulative();
  bad.push_back(AnsweredPrompts(2, [](int) { return std::vector<int32_t>(32, 1); }));
  return bad;
}

TEST(ExplainTest, BadRequestsAreRefusedAsAblateRefusesThem) {
  TestServer server({.limits = {.tokens = 40}});
  server.Serve();
  for (const pb::AblateRequest& request : BadRequests()) {
    const grpc::Status expected = RunScan(server.stub(), request).status,
                       status = ExplainScan(server.stub(), request).status;
    ASSERT_FALSE(expected.ok()) << request.ShortDebugString();
    EXPECT_EQ(status.error_code(), expected.error_code());
    EXPECT_EQ(status.error_message(), expected.error_message());
    EXPECT_EQ(DetailsOf(status).info.reason(), DetailsOf(expected).info.reason());
    EXPECT_EQ(DetailsOf(status).bad_request.DebugString(), DetailsOf(expected).bad_request.DebugString());
  }
}

TEST(ExplainTest, FieldsOfNewerClientsAreRefused) {
  TestServer server;
  server.Serve();
  grpc::ClientContext context;
  pb::ExplainPlanRequest request;
  *request.mutable_request() = TwoTokens();
  request.GetReflection()->MutableUnknownFields(&request)->AddVarint(77, 1);
  pb::ExplainPlanResponse response;
  const grpc::Status status = server.stub().ExplainPlan(&context, request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(DetailsOf(status).info.reason(), "UNKNOWN_FIELD");
}

TEST(ExplainTest, TimesFollowTheDevicesSpeed) {
  TestServer server;
  server.Serve();
  const pb::ExplainPlanResponse before = MustExplain(server, TwoTokens());
  EXPECT_EQ(before.predicted_ns(), 0) << "nothing is known yet";
  ASSERT_TRUE(RunScan(server.stub(), TwoTokens()).status.ok());
  const pb::ExplainPlanResponse idle = ExplainScan(server.stub(), TwoTokens()).plan;
  EXPECT_GT(idle.predicted_ns(), 0);
  EXPECT_EQ(idle.waiting_ns(), 0);
  server.device().Pause();
  ScanCall running(server.stub(), TwoTokens());
  ASSERT_TRUE(server.device().WaitForRuns(2));
  ScanCall waiting(server.stub(), TwoTokens());
  ASSERT_TRUE(waiting.Admitted());
  const pb::ExplainPlanResponse busy = ExplainScan(server.stub(), TwoTokens()).plan;
  EXPECT_EQ(busy.predicted_ns(), idle.predicted_ns());
  EXPECT_NEAR(static_cast<double>(busy.waiting_ns()), 2.0 * static_cast<double>(busy.predicted_ns()), 2.0);
  server.device().Resume();
}

TEST(ExplainTest, BeforeTheFirstBatchTheSelfTestsSpeedCounts) {
  TestServer server;
  auto engine = std::make_unique<FakeEngine>(std::make_shared<FakeDevice>());
  engine->info().self_test_cost_per_second = 1000;
  server.server().Serve(std::move(engine));
  const pb::ExplainPlanResponse plan = MustExplain(server, TwoTokens());
  EXPECT_EQ(plan.predicted_ns(), plan.cost() * 1'000'000);
}

}  // namespace
}  // namespace ablate
