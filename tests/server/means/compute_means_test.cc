// ComputeMeans against a fake engine whose outputs are known.
#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/means/mean_store.h"
#include "tests/server/means/make_library.h"
#include "tests/server/means/means_calls.h"
#include "tests/server/scan_call.h"
#include "tests/server/test_server.h"

namespace ablate {
namespace {

namespace pb = ::ablation::v1;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ComputeMeansTest : public testing::Test {
 protected:
  explicit ComputeMeansTest(ServerOptions options = {}) : server_(WithMeans(std::move(options))) {}

  ServerOptions WithMeans(ServerOptions options) {
    store_ = MeanStore::Open(folder_.path()).value();
    options.means = store_;
    return options;
  }

  // The library as it was stored.
  MeanLibrary Stored(const pb::ComputeMeansRequest& request) {
    const ComputeResult result = Compute(server_.stub(), request);
    EXPECT_TRUE(result.status.ok()) << result.status.error_message();
    if (result.libraries.size() != 1) {
      ADD_FAILURE() << "got " << result.libraries.size() << " libraries";
      return {};
    }
    const auto library = store_->Get(result.libraries[0].id());
    EXPECT_TRUE(library.ok()) << library.status();
    return **library;
  }

  TestFolder folder_;
  std::shared_ptr<MeanStore> store_;
  TestServer server_;
};

// mean[group][layer][head][position][element].
double At(const MeanLibrary& library, int group, Site site, int position, int element) {
  const int64_t n_positions = library.info.n_positions();
  const int64_t row = ((group * FakeEngine::kLayers + site.layer) * FakeEngine::kHeads + site.head) * n_positions;
  return library.mean.at(static_cast<size_t>((row + position) * FakeEngine::kHeadSize + element));
}

// That every mean is the fake output of the "mean token" of its group and position: outputs are linear in the token's
// id.
void ExpectMeanTokens(const MeanLibrary& library, const std::map<std::pair<int, int>, double>& mean_token) {
  ASSERT_EQ(library.mean.size(), mean_token.size() * FakeEngine::kLayers * FakeEngine::kHeads * FakeEngine::kHeadSize);
  for (const auto& [cell, token] : mean_token) {
    for (int32_t layer = 0; layer < FakeEngine::kLayers; ++layer) {
      for (int32_t head = 0; head < FakeEngine::kHeads; ++head) {
        for (int32_t i = 0; i < FakeEngine::kHeadSize; ++i) {
          EXPECT_EQ(At(library, cell.first, {layer, head}, cell.second, i),
                    token * FakeEngine::Weight({layer, head}) + i)
              << "group " << cell.first << ", position " << cell.second << ", L" << layer << "H" << head << ", " << i;
        }
      }
    }
  }
}

TEST_F(ComputeMeansTest, PositionwiseOverTheCleanPromptsByDefault) {
  server_.Serve();
  pb::ComputeMeansRequest request = MeansRequest({{1, 2, 4}, {3, 8}});
  request.set_display_name("two");
  const MeanLibrary library = Stored(request);
  ExpectMeanTokens(library, {{{0, 0}, 2}, {{0, 1}, 5}, {{0, 2}, 4}});
  EXPECT_THAT(library.count, ElementsAre(2, 2, 1));
  const auto& info = library.info;
  EXPECT_EQ(info.options().mode(), pb::MEAN_MODE_POSITIONWISE);
  EXPECT_EQ(info.options().source(), pb::MEAN_SOURCE_CLEAN);
  EXPECT_EQ(info.options().min_count(), 1);
  EXPECT_EQ(info.display_name(), "two");
  EXPECT_EQ(info.weights_sha256(), "3e1f");
  EXPECT_EQ(info.n_prompts(), 2);
  EXPECT_EQ(info.n_tokens(), 5);
  EXPECT_EQ(info.n_positions(), 3);
  EXPECT_THAT(info.templates(), ElementsAre(""));
  EXPECT_GT(info.created_unix_ms(), 1'600'000'000'000);
  EXPECT_GT(info.size_bytes(), static_cast<int64_t>(8 * library.mean.size()));
  EXPECT_FALSE(info.engine_version().empty());
  EXPECT_EQ(info.precision(), pb::PRECISION_FLOAT32);
}

TEST_F(ComputeMeansTest, PooledWithoutPositionZero) {
  server_.Serve();
  pb::ComputeMeansRequest request = MeansRequest({{100, 2, 4}, {200, 6}, {252}});
  request.mutable_options()->set_mode(pb::MEAN_MODE_POOLED);
  const MeanLibrary library = Stored(request);
  ExpectMeanTokens(library, {{{0, 0}, 4}});
  EXPECT_THAT(library.count, ElementsAre(3));
  EXPECT_EQ(library.info.n_tokens(), 3);
  EXPECT_EQ(library.info.n_prompts(), 3);

  request.mutable_options()->set_include_first_position(true);
  const MeanLibrary all = Stored(request);
  ExpectMeanTokens(all, {{{0, 0}, (100 + 2 + 4 + 200 + 6 + 252) / 6.0}});
  EXPECT_NE(all.info.id(), library.info.id());
}

// With BOS in front, position 0 is BOS.
TEST_F(ComputeMeansTest, BosTakesPositionZero) {
  server_.Serve();
  pb::ComputeMeansRequest request = MeansRequest({{1}, {3, 8}});
  request.mutable_options()->set_prepend_bos(true);
  const MeanLibrary library = Stored(request);
  ExpectMeanTokens(library, {{{0, 0}, FakeTokenizer::kBos}, {{0, 1}, 2}, {{0, 2}, 8}});
  EXPECT_TRUE(library.info.options().prepend_bos());
}

TEST_F(ComputeMeansTest, CleanCorruptedAndBoth) {
  server_.Serve();
  pb::ComputeMeansRequest request = MeansRequest({{1, 2}, {3, 4}});
  for (auto& prompt : *request.mutable_prompts()) {
    const int32_t first = prompt.token_ids().ids(0);
    prompt.mutable_corrupted_token_ids()->add_ids(10 * first);
    prompt.mutable_corrupted_token_ids()->add_ids(10 * first + 2);
  }
  request.mutable_options()->set_source(pb::MEAN_SOURCE_CLEAN);
  ExpectMeanTokens(Stored(request), {{{0, 0}, 2}, {{0, 1}, 3}});
  request.mutable_options()->set_source(pb::MEAN_SOURCE_CORRUPTED);
  ExpectMeanTokens(Stored(request), {{{0, 0}, 20}, {{0, 1}, 22}});
  request.mutable_options()->set_source(pb::MEAN_SOURCE_BOTH);
  const MeanLibrary both = Stored(request);
  ExpectMeanTokens(both, {{{0, 0}, 11}, {{0, 1}, 12.5}});
  EXPECT_EQ(both.info.n_prompts(), 2);
  EXPECT_EQ(both.info.n_tokens(), 8);
}

TEST_F(ComputeMeansTest, GroupsAreTemplatesInTheOrderInWhichTheyCome) {
  server_.Serve();
  pb::ComputeMeansRequest request = MeansRequest({{1, 2}, {30, 40}, {3, 4}});
  request.mutable_options()->set_group_by_template(true);
  const char* templates[] = {"second", "first", "second"};
  for (int i = 0; i < 3; ++i) request.mutable_prompts(i)->set_template_(templates[i]);
  const MeanLibrary library = Stored(request);
  EXPECT_THAT(library.info.templates(), ElementsAre("second", "first"));
  EXPECT_THAT(library.count, ElementsAre(2, 2, 1, 1));
  ExpectMeanTokens(library, {{{0, 0}, 2}, {{0, 1}, 3}, {{1, 0}, 30}, {{1, 1}, 40}});
}

// The fake engine runs as many prompts at once as the batch's cost lets in.
TEST_F(ComputeMeansTest, TheSameBitsForAnyBatch) {
  std::vector<std::vector<int32_t>> prompts;
  for (int i = 0; i < 40; ++i) prompts.push_back({i, 3 * i + 1, 100});
  const pb::ComputeMeansRequest request = MeansRequest(prompts);
  server_.Serve(1);
  const MeanLibrary one_by_one = Stored(request);
  EXPECT_EQ(server_.device().runs().size(), 40U);

  TestFolder other_folder;
  ServerOptions options;
  options.means = MeanStore::Open(other_folder.path()).value();
  TestServer other(options);
  other.Serve(100'000);
  const ComputeResult result = Compute(other.stub(), request);
  ASSERT_EQ(result.libraries.size(), 1U) << result.status.error_message();
  EXPECT_EQ(other.device().runs().size(), 1U);
  const auto together = options.means->Get(result.libraries[0].id());
  ASSERT_TRUE(together.ok());
  EXPECT_EQ((*together)->info.id(), one_by_one.info.id());
  EXPECT_EQ((*together)->mean, one_by_one.mean);
  EXPECT_EQ((*together)->count, one_by_one.count);
}

TEST_F(ComputeMeansTest, TellsHowFarItIs) {
  server_.Serve(1);
  std::vector<std::vector<int32_t>> prompts(50, {1, 2});
  const ComputeResult result = Compute(server_.stub(), MeansRequest(prompts));
  ASSERT_TRUE(result.status.ok()) << result.status.error_message();
  ASSERT_FALSE(result.prompts_done.empty());
  EXPECT_TRUE(std::is_sorted(result.prompts_done.begin(), result.prompts_done.end()));
  EXPECT_EQ(result.prompts_done.back(), 50);
}

TEST_F(ComputeMeansTest, TheSameMeansAreNotComputedTwice) {
  server_.Serve();
  pb::ComputeMeansRequest request = MeansRequest({{1, 2}});
  const MeanLibrary first = Stored(request);
  ASSERT_EQ(server_.device().runs().size(), 1U);
  // Neither names nor what is measured make other means; unspecified and default options are the same.
  request.set_display_name("other");
  request.mutable_prompts(0)->add_targets()->set_id(7);
  request.mutable_options()->set_mode(pb::MEAN_MODE_POSITIONWISE);
  request.mutable_options()->set_include_first_position(true);
  request.mutable_options()->set_min_count(1);
  EXPECT_EQ(Stored(request).info.id(), first.info.id());
  EXPECT_EQ(server_.device().runs().size(), 1U);
  request.mutable_options()->set_min_count(2);
  EXPECT_NE(Stored(request).info.id(), first.info.id());
  EXPECT_EQ(server_.device().runs().size(), 2U);
}

struct Bad {
  std::string field, message;
  std::function<void(pb::ComputeMeansRequest&)> spoil;
};

TEST_F(ComputeMeansTest, BadRequestsNameTheField) {
  server_.Serve();
  const Bad bads[] = {
      {"prompts", "got 0 prompts, expected 1 .. 100000", [](auto& r) { r.clear_prompts(); }},
      {"display_name", "got 201 bytes, expected at most 200",
       [](auto& r) { r.set_display_name(std::string(201, 'n')); }},
      {"options.mode", "got 9", [](auto& r) { r.mutable_options()->set_mode(static_cast<pb::MeanMode>(9)); }},
      {"options.source", "got 9", [](auto& r) { r.mutable_options()->set_source(static_cast<pb::MeanSource>(9)); }},
      {"options.min_count", "got -1, expected 1 or more", [](auto& r) { r.mutable_options()->set_min_count(-1); }},
      {"prompts[1].template", "is empty, expected the prompt's template",
       [](auto& r) {
         r.mutable_options()->set_group_by_template(true);
         r.mutable_prompts(0)->set_template_("a");
       }},
      {"prompts[0]", "expected one of them, since options.source takes the corrupted prompts",
       [](auto& r) { r.mutable_options()->set_source(pb::MEAN_SOURCE_BOTH); }},
      {"prompts[0].corrupted_token_ids", "1 token",
       [](auto& r) {
         r.mutable_options()->set_source(pb::MEAN_SOURCE_CORRUPTED);
         r.mutable_prompts(0)->mutable_corrupted_token_ids()->add_ids(3);
       }},
      {"prompts[1].token_ids.ids[0]", "got id 999",
       [](auto& r) { r.mutable_prompts(1)->mutable_token_ids()->set_ids(0, 999); }},
      {"prompts", "position 0 stays out of pooled means",
       [](auto& r) {
         r.mutable_options()->set_mode(pb::MEAN_MODE_POOLED);
         for (auto& prompt : *r.mutable_prompts()) prompt.mutable_token_ids()->mutable_ids()->Truncate(1);
       }},
      {"prompts[1].template", "expected at most 1048576",
       [](auto& r) {
         r.mutable_options()->set_group_by_template(true);
         r.mutable_prompts(0)->set_template_(std::string(1000, 'a'));
         r.mutable_prompts(1)->set_template_(std::string(1 << 20, 'b'));
       }},
  };
  for (const Bad& bad : bads) {
    SCOPED_TRACE(bad.field);
    pb::ComputeMeansRequest request = MeansRequest({{1, 2}, {3, 4}});
    bad.spoil(request);
    const ComputeResult result = Compute(server_.stub(), request);
    EXPECT_EQ(result.status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_THAT(result.status.error_message(), HasSubstr(bad.message));
    const Details details = DetailsOf(result.status);
    ASSERT_EQ(details.bad_request.field_violations_size(), 1);
    EXPECT_EQ(details.bad_request.field_violations(0).field(), bad.field);
    EXPECT_THAT(result.libraries, testing::IsEmpty());
  }
  pb::ComputeMeansRequest unknown = MeansRequest({{1}});
  unknown.GetReflection()->MutableUnknownFields(&unknown)->AddVarint(99, 1);
  EXPECT_EQ(DetailsOf(Compute(server_.stub(), unknown).status).info.reason(), "UNKNOWN_FIELD");
  EXPECT_TRUE(server_.device().runs().empty());
}

TEST_F(ComputeMeansTest, AFailureOfTheEngineFailsTheCallAndStoresNothing) {
  server_.Serve(1);
  server_.device().FailWhere([](const Scan& scan) { return scan.token_ids[0] == 3; });
  const ComputeResult result = Compute(server_.stub(), MeansRequest({{1, 2}, {3, 4}, {5, 6}}));
  EXPECT_EQ(result.status.error_code(), grpc::StatusCode::INTERNAL);
  EXPECT_THAT(result.libraries, testing::IsEmpty());
  EXPECT_THAT(*store_->List(), testing::IsEmpty());
}

// A scan shares the batch and makes it fail: the means' prompts are run again, and count once.
TEST_F(ComputeMeansTest, WhatIsRunAgainCountsOnce) {
  server_.Serve();
  server_.device().FailWhere([](const Scan& scan) { return scan.token_ids[0] == 66; });
  server_.device().Pause();
  ScanCall first(server_.stub(), ScanRequest("a"));
  ASSERT_TRUE(first.Admitted());
  ASSERT_TRUE(server_.device().WaitForRuns(1));
  ScanCall broken(server_.stub(), ScanRequest("B"));
  ASSERT_TRUE(broken.Admitted());
  ComputeResult result;
  std::thread compute([&] { result = Compute(server_.stub(), MeansRequest({{1, 2}, {3, 4}})); });
  // There is no sign of the admission of means but their run.
  absl::SleepFor(absl::Milliseconds(300));
  server_.device().Resume();
  compute.join();
  EXPECT_FALSE(broken.Wait().status.ok());
  ASSERT_EQ(result.libraries.size(), 1U) << result.status.error_message();
  ExpectMeanTokens(**store_->Get(result.libraries[0].id()), {{{0, 0}, 2}, {{0, 1}, 3}});
}

// The server learns of it a moment after the client: by then it must not be done.
TEST_F(ComputeMeansTest, ACancelledCallStopsAndStoresNothing) {
  constexpr size_t kPrompts = 20'000;
  server_.Serve(1);
  server_.device().Pause();
  grpc::ClientContext context;
  ComputeResult result;
  std::thread compute([&] {
    result = ReadCompute(server_.stub(), context, MeansRequest(std::vector<std::vector<int32_t>>(kPrompts, {1, 2})));
  });
  ASSERT_TRUE(server_.device().WaitForRuns(1));
  context.TryCancel();
  compute.join();
  EXPECT_EQ(result.status.error_code(), grpc::StatusCode::CANCELLED);
  server_.device().Resume();
  EXPECT_TRUE(RunScan(server_.stub(), ScanRequest("a")).status.ok()) << "the device goes on";
  EXPECT_EQ(server_.server().Drain(absl::Seconds(10)), 0);
  EXPECT_LT(server_.device().runs().size(), kPrompts);
  EXPECT_THAT(*store_->List(), testing::IsEmpty());
}

TEST_F(ComputeMeansTest, ADeadlineHolds) {
  server_.Serve();
  server_.device().Pause();
  const ComputeResult result = Compute(server_.stub(), MeansRequest({{1, 2}}), std::chrono::milliseconds(200));
  EXPECT_EQ(result.status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  server_.device().Resume();
}

class LimitedMeansTest : public ComputeMeansTest {
 protected:
  LimitedMeansTest() : ComputeMeansTest({.limits = {.cost = 10, .tokens = 6}}) {}
};

TEST_F(LimitedMeansTest, TokensAndCostAreBounded) {
  server_.Serve();
  ComputeResult result = Compute(server_.stub(), MeansRequest({{1, 2, 3, 4}, {1, 2, 3}}));
  EXPECT_EQ(result.status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(result.status.error_message(), HasSubstr("with prompts[1] the request has more tokens than the 6"));
  // 2 layers x 5 tokens, and the logits of the last one; of 4 tokens it is all of the limit.
  result = Compute(server_.stub(), MeansRequest({{1, 2, 3, 4, 5}}));
  EXPECT_EQ(result.status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(DetailsOf(result.status).info.reason(), "REQUEST_TOO_COSTLY");
  EXPECT_TRUE(Compute(server_.stub(), MeansRequest({{1, 2, 3, 4}})).status.ok());
}

}  // namespace
}  // namespace ablate
