// The happy path over a real socket: what a stream holds, and in which order.
#include <map>
#include <set>
#include <utility>

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

const std::vector<int32_t> kBerlinIs = {FakeTokenizer::kBerlin, FakeTokenizer::kIs};

TEST(ScanTest, ManifestThenBlocksThenCompletion) {
  TestServer server;
  server.Serve();
  const ScanResult result = RunScan(server.stub(), ScanRequest("Berlin is"));
  ASSERT_TRUE(result.status.ok()) << result.status.error_message();
  ASSERT_GE(result.responses.size(), 3U);
  EXPECT_EQ(result.responses.front().payload_case(), pb::AblateResponse::kManifest);
  for (size_t i = 1; i + 1 < result.responses.size(); ++i) {
    EXPECT_EQ(result.responses[i].payload_case(), pb::AblateResponse::kBlock) << i;
  }
  EXPECT_EQ(result.responses.back().payload_case(), pb::AblateResponse::kCompletion);
}

TEST(ScanTest, ManifestTellsModelVariantsAndTokens) {
  TestServer server;
  server.Serve();
  const ScanResult result = RunScan(server.stub(), ScanRequest("Berlin is"));
  ASSERT_TRUE(result.status.ok()) << result.status.error_message();
  const pb::Manifest& manifest = result.manifest();
  EXPECT_EQ(manifest.model().name(), "fake");
  EXPECT_EQ(manifest.model().n_layers(), FakeEngine::kLayers);
  EXPECT_EQ(manifest.model().weights_sha256(), "3e1f");
  EXPECT_EQ(manifest.model().tokenizer_sha256(), "70ce");
  EXPECT_EQ(manifest.runtime().precision(), pb::PRECISION_FLOAT32);
  EXPECT_EQ(manifest.runtime().max_request_cost(), ServerOptions().max_request_cost);
  EXPECT_TRUE(manifest.runtime().batch_invariant());
  EXPECT_FALSE(manifest.runtime().engine_version().empty());
  ASSERT_EQ(manifest.variants_size(), 6);
  EXPECT_EQ(manifest.variants(0).label(), "L0H0");
  EXPECT_EQ(manifest.variants(5).label(), "L1H2");
  EXPECT_EQ(manifest.variants(5).sites(0).layer(), 1);
  EXPECT_EQ(manifest.variants(5).sites(0).head(), 2);
  ASSERT_EQ(manifest.prompts_size(), 1);
  EXPECT_THAT(manifest.prompts(0).token_ids(), ElementsAre(FakeTokenizer::kBerlin, FakeTokenizer::kIs));
  EXPECT_THAT(manifest.prompts(0).token_texts(), ElementsAre("Berlin", " is"));
  EXPECT_EQ(manifest.prompts(0).target().id(), FakeTokenizer::kGermany);
  EXPECT_EQ(manifest.prompts(0).target().text(), " Germany");
  EXPECT_EQ(manifest.prompts(0).target().raw(), " Germany");
  EXPECT_FALSE(manifest.prompts(0).has_contrast());
  EXPECT_THAT(manifest.prompts(0).warnings(), IsEmpty());
  EXPECT_EQ(manifest.total_rows(), 7);
  EXPECT_EQ(manifest.cost(), 2 * 7 * 2);
  EXPECT_EQ(manifest.replacement(), "zero");
}

TEST(ScanTest, EachRowOnceWithItsOwnValue) {
  TestServer server;
  server.Serve();
  pb::AblateRequest request = ScanRequest("Berlin is");
  *request.add_prompts() = ScanRequest("is Berlin", " France").prompts(0);
  const std::vector<std::vector<int32_t>> ids = {kBerlinIs, {'i', 's', ' ', FakeTokenizer::kBerlin}};
  const std::vector<int32_t> targets = {FakeTokenizer::kGermany, FakeTokenizer::kFrance};

  const ScanResult result = RunScan(server.stub(), request);
  ASSERT_TRUE(result.status.ok()) << result.status.error_message();
  std::set<std::pair<int, int>> seen;
  for (const auto& response : result.responses) {
    const pb::RowBlock& block = response.block();
    for (int i = 0; i < block.variant_size(); ++i) {
      const int prompt = block.prompt_index(i), variant = block.variant(i);
      EXPECT_TRUE(seen.emplace(prompt, variant).second) << prompt << " " << variant;
      const int layer = variant < 0 ? -1 : variant / 3, head = variant < 0 ? -1 : variant % 3;
      const auto p = static_cast<size_t>(prompt);
      EXPECT_EQ(block.target_logprob(i), FakeEngine::TargetLogprob(ids.at(p), targets.at(p), layer, head));
      EXPECT_EQ(block.position(i), static_cast<int>(ids[p].size()) - 1);
    }
    EXPECT_THAT(block.contrast_logprob(), IsEmpty());
    EXPECT_THAT(block.top_k_id(), IsEmpty());
  }
  EXPECT_THAT(seen, SizeIs(14));
  EXPECT_EQ(result.completion().rows(), 14);
}

TEST(ScanTest, TimingAddsUp) {
  TestServer server;
  server.Serve();
  const ScanResult result = RunScan(server.stub(), ScanRequest("Berlin is"));
  ASSERT_TRUE(result.status.ok()) << result.status.error_message();
  const pb::Timing& timing = result.completion().timing();
  EXPECT_EQ(timing.forward_ns(), 1000);
  EXPECT_EQ(timing.forward_passes(), 1);
  EXPECT_GT(timing.prepare_ns(), 0);
  EXPECT_GE(timing.queue_ns(), timing.prepare_ns());
  EXPECT_GE(timing.total_ns(), timing.queue_ns());
}

TEST(ScanTest, SweepFiltersChooseLayersAndHeads) {
  TestServer server;
  server.Serve();
  pb::AblateRequest request = ScanRequest("Berlin is");
  request.mutable_sweep()->mutable_heads()->add_layers(1);
  request.mutable_sweep()->mutable_heads()->add_heads(2);
  request.mutable_sweep()->mutable_heads()->add_heads(0);
  const ScanResult result = RunScan(server.stub(), request);
  ASSERT_TRUE(result.status.ok()) << result.status.error_message();
  ASSERT_EQ(result.manifest().variants_size(), 2);
  EXPECT_EQ(result.manifest().variants(0).label(), "L1H2");
  EXPECT_EQ(result.manifest().variants(1).label(), "L1H0");
  EXPECT_EQ(result.rows(), 3);
}

TEST(ScanTest, TopKComesWithItsTexts) {
  TestServer server;
  server.Serve();
  pb::AblateRequest request = ScanRequest("Berlin is");
  request.mutable_readout()->set_top_k(3);
  const ScanResult result = RunScan(server.stub(), request);
  ASSERT_TRUE(result.status.ok()) << result.status.error_message();
  const pb::RowBlock& block = result.responses.at(1).block();
  EXPECT_THAT(block.top_k_id(), SizeIs(21));
  EXPECT_THAT(block.top_k_logprob(), SizeIs(21));
  // Ids 0, 1, 2 and the top-1 token, once each.
  ASSERT_EQ(block.tokens_size(), 4);
  EXPECT_EQ(block.tokens(3).id(), FakeTokenizer::kIs);
  EXPECT_EQ(block.tokens(3).text(), " is");
}

TEST(ScanTest, BosGoesInFrontOfTextAndIdsAlike) {
  TestServer server;
  server.Serve();
  pb::AblateRequest request = ScanRequest("");
  request.set_prepend_bos(true);
  request.add_prompts()->mutable_token_ids()->add_ids(7);
  const ScanResult result = RunScan(server.stub(), request);
  ASSERT_TRUE(result.status.ok()) << result.status.error_message();
  EXPECT_THAT(result.manifest().prompts(0).token_ids(), ElementsAre(FakeTokenizer::kBos));
  EXPECT_THAT(result.manifest().prompts(1).token_ids(), ElementsAre(FakeTokenizer::kBos, 7));
}

TEST(ScanTest, WarnsOfWhatMaySurprise) {
  TestServer server;
  server.Serve();
  pb::AblateRequest request = ScanRequest("Berlin is ", "x");
  request.mutable_prompts(0)->mutable_contrast()->set_id(5);
  const ScanResult result = RunScan(server.stub(), request);
  ASSERT_TRUE(result.status.ok()) << result.status.error_message();
  EXPECT_THAT(result.manifest().prompts(0).warnings(),
              ElementsAre(HasSubstr("ends in a space"), HasSubstr("target \"x\" has no leading space")));
  EXPECT_EQ(result.manifest().prompts(0).contrast().id(), 5);
}

TEST(ScanTest, ManyClientsAtOnceGetTheirOwnRows) {
  TestServer server;
  server.Serve(200);
  constexpr int kClients = 16, kCalls = 10;
  std::vector<std::thread> clients;
  std::atomic<int> good = 0;
  for (int c = 0; c < kClients; ++c) {
    clients.emplace_back([&server, &good, c] {
      const auto stub = pb::AblationService::NewStub(server.NewChannel());
      for (int call = 0; call < kCalls; ++call) {
        pb::AblateRequest request;
        for (const int32_t id : {c, call}) {
          request.add_prompts()->mutable_token_ids()->add_ids(id);
          request.mutable_prompts()->rbegin()->mutable_target()->set_id(c);
        }
        const ScanResult result = RunScan(*stub, request);
        if (!result.status.ok() || result.rows() != 14) continue;
        bool all = true;
        for (const auto& response : result.responses) {
          const pb::RowBlock& block = response.block();
          for (int i = 0; i < block.variant_size(); ++i) {
            const int v = block.variant(i);
            const int32_t id = block.prompt_index(i) == 0 ? c : call;
            all = all &&
                  block.target_logprob(i) == FakeEngine::TargetLogprob({id}, c, v < 0 ? -1 : v / 3, v < 0 ? -1 : v % 3);
          }
        }
        good += all ? 1 : 0;
      }
    });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(good, kClients * kCalls);
}

}  // namespace
}  // namespace ablate
