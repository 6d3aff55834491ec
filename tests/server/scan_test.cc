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

// The ids of a prompt as it was understood.
std::vector<int32_t> Ids(const pb::ResolvedPrompt& prompt) {
  std::vector<int32_t> ids;
  for (const auto& token : prompt.tokens()) ids.push_back(token.id());
  return ids;
}

// Of a prompt whose variant's head is zeroed; -1 is the baseline.
double ZeroedLogprob(const std::vector<int32_t>& token_ids, int32_t target, int variant) {
  Scan scan;
  scan.token_ids = token_ids;
  Variant edited;
  if (variant >= 0) edited.edits = {{.site = {variant / FakeEngine::kHeads, variant % FakeEngine::kHeads}}};
  return FakeEngine::Logprob(FakeEngine::Residual(scan, edited, static_cast<int32_t>(token_ids.size()) - 1), target);
}

TEST(ScanTest, ManifestThenVariantsThenPromptsThenRowsThenCompletion) {
  TestServer server;
  server.Serve();
  const ScanResult result = RunScan(server.stub(), ScanRequest("Berlin is"));
  ASSERT_TRUE(result.status.ok()) << result.status.error_message();
  ASSERT_GE(result.responses.size(), 5U);
  EXPECT_TRUE(result.responses[0].has_manifest());
  EXPECT_TRUE(result.responses[1].has_variant_block());
  EXPECT_TRUE(result.responses[2].has_prompt_block());
  for (size_t i = 3; i + 1 < result.responses.size(); ++i) EXPECT_TRUE(result.responses[i].has_row_block()) << i;
  EXPECT_TRUE(result.responses.back().has_completion());
}

// A client that sets no limits of its own reads any request that the server takes: gRPC refuses more than 4 MB. The
// prompts alone are several times what may wait in the stream, so nothing here may wait for that to be read.
TEST(ScanTest, ManyPromptsComeInMessagesThatAnyClientTakes) {
  TestServer server({.max_stream_bytes = 64 * 1024});
  server.Serve(1'000'000);
  constexpr int kPrompts = 20'000, kTokens = 30;
  pb::AblateRequest request;
  for (int p = 0; p < kPrompts; ++p) {
    auto& ids = *request.add_prompts()->mutable_token_ids();
    for (int t = 0; t < kTokens; ++t) ids.add_ids((p + t) % 256);
  }
  request.mutable_sweep()->mutable_heads();
  request.mutable_sweep()->mutable_filter()->add_sites("L0H0");
  const auto channel = grpc::CreateChannel(server.server().address(), grpc::InsecureChannelCredentials());
  const ScanResult result = RunScan(*pb::AblationService::NewStub(channel), request);
  ASSERT_TRUE(result.status.ok()) << result.status.error_message();

  size_t prompt_bytes = 0;
  int32_t next_prompt = 0;
  for (const auto& response : result.responses) {
    EXPECT_LE(response.ByteSizeLong(), size_t{300} << 10) << response.payload_case();
    if (!response.has_prompt_block()) continue;
    prompt_bytes += response.ByteSizeLong();
    EXPECT_EQ(response.prompt_block().first_prompt_index(), next_prompt);
    next_prompt += response.prompt_block().prompts_size();
  }
  EXPECT_GT(prompt_bytes, size_t{5} << 20);
  ASSERT_EQ(next_prompt, kPrompts);
  EXPECT_EQ(Ids(result.prompts().at(12'345)).at(7), (12'345 + 7) % 256);
  EXPECT_EQ(result.manifest().n_prompts(), kPrompts);
  EXPECT_EQ(result.manifest().n_variants(), 1);
  EXPECT_EQ(result.rows(), 2 * kPrompts);
}

TEST(ScanTest, HeadTellsModelVariantsAndTokens) {
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
  EXPECT_EQ(manifest.runtime().max_request_cost(), RequestLimits().cost);
  EXPECT_EQ(manifest.runtime().max_request_tokens(), RequestLimits().tokens);
  EXPECT_EQ(manifest.model().bos_token_id(), FakeTokenizer::kBos);
  EXPECT_TRUE(manifest.runtime().batch_invariant());
  EXPECT_EQ(manifest.runtime().memory_budget_bytes(), 0) << "it varies from one start of a server to the next";
  EXPECT_EQ(manifest.runtime().max_packed_tokens(), 1000) << "rows may depend on it";
  EXPECT_FALSE(manifest.runtime().engine_version().empty());
  EXPECT_EQ(manifest.n_variants(), 6);
  EXPECT_EQ(manifest.n_prompts(), 1);
  EXPECT_EQ(manifest.total_rows(), 7);
  EXPECT_EQ(manifest.cost(), 2 * 7 * 2 + FakeEngine::ReadCost(7));
  // The request named none: the default is filled in.
  ASSERT_EQ(manifest.replacements_size(), 1);
  EXPECT_TRUE(manifest.replacements(0).has_zero());

  const auto variants = result.variants();
  ASSERT_THAT(variants, SizeIs(6));
  EXPECT_EQ(variants[0].label(), "L0H0");
  EXPECT_EQ(variants[5].label(), "L1H2");
  EXPECT_EQ(variants[5].sites(0).layer(), 1);
  EXPECT_EQ(variants[5].sites(0).head(), 2);

  const auto prompts = result.prompts();
  ASSERT_THAT(prompts, SizeIs(1));
  EXPECT_EQ(Ids(prompts[0]), kBerlinIs);
  EXPECT_EQ(prompts[0].tokens(1).text(), " is");
  EXPECT_EQ(prompts[0].tokens(1).raw(), " is");
  ASSERT_THAT(prompts[0].targets(), SizeIs(1));
  EXPECT_EQ(prompts[0].targets(0).id(), FakeTokenizer::kGermany);
  EXPECT_EQ(prompts[0].targets(0).text(), " Germany");
  EXPECT_EQ(prompts[0].targets(0).raw(), " Germany");
  EXPECT_THAT(prompts[0].contrasts(), IsEmpty());
  EXPECT_THAT(prompts[0].read_positions(), ElementsAre(1));
  EXPECT_THAT(prompts[0].warnings(), IsEmpty());
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
    const pb::RowBlock& block = response.row_block();
    for (int i = 0; i < block.variant_size(); ++i) {
      const int prompt = block.prompt_index(i), variant = block.variant(i);
      EXPECT_TRUE(seen.emplace(prompt, variant).second) << prompt << " " << variant;
      const auto p = static_cast<size_t>(prompt);
      EXPECT_EQ(block.target_logprob(i), ZeroedLogprob(ids.at(p), targets.at(p), variant));
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
  EXPECT_EQ(timing.plan_ns(), 1);
  EXPECT_EQ(timing.forward_ns(), 1000);
  EXPECT_EQ(timing.readout_ns(), 100);
  EXPECT_EQ(timing.forward_passes(), 1);
  EXPECT_EQ(timing.peak_bytes(), 6 * FakeEngine::kVariantBytes);
  EXPECT_GT(timing.send_ns(), 0);
  EXPECT_GT(timing.prepare_ns(), 0);
  EXPECT_GE(timing.queue_ns(), timing.prepare_ns());
  EXPECT_GE(timing.total_ns(), timing.queue_ns());
}

// Of runs one after the other: the times add up, the memory does not.
TEST(ScanTest, TimingIsOfAllItsRuns) {
  TestServer server;
  server.Serve(14);
  const ScanResult result = RunScan(server.stub(), ManyPrompts(20));
  ASSERT_TRUE(result.status.ok()) << result.status.error_message();
  const pb::Timing& timing = result.completion().timing();
  EXPECT_EQ(timing.plan_ns(), 20);
  EXPECT_EQ(timing.forward_ns(), 20'000);
  EXPECT_EQ(timing.readout_ns(), 2000);
  EXPECT_EQ(timing.forward_passes(), 20);
  EXPECT_EQ(timing.peak_bytes(), 6 * FakeEngine::kVariantBytes);
}

TEST(ScanTest, SweepFiltersChooseLayersAndHeads) {
  TestServer server;
  server.Serve();
  pb::AblateRequest request = ScanRequest("Berlin is");
  request.mutable_sweep()->mutable_heads();
  request.mutable_sweep()->mutable_filter()->add_layers(1);
  request.mutable_sweep()->mutable_filter()->add_heads(2);
  request.mutable_sweep()->mutable_filter()->add_heads(0);
  const ScanResult result = RunScan(server.stub(), request);
  ASSERT_TRUE(result.status.ok()) << result.status.error_message();
  ASSERT_THAT(result.variants(), SizeIs(2));
  EXPECT_EQ(result.variants()[0].label(), "L1H0");
  EXPECT_EQ(result.variants()[1].label(), "L1H2");
  EXPECT_EQ(result.rows(), 3);
}

TEST(ScanTest, TopKComesWithItsTexts) {
  TestServer server;
  server.Serve();
  pb::AblateRequest request = ScanRequest("Berlin is");
  request.mutable_readout()->set_top_k(3);
  const ScanResult result = RunScan(server.stub(), request);
  ASSERT_TRUE(result.status.ok()) << result.status.error_message();
  const pb::RowBlock& block = result.responses.at(3).row_block();
  EXPECT_THAT(block.top_k_id(), SizeIs(21));
  EXPECT_THAT(block.top_k_logprob(), SizeIs(21));
  // Ids 0, 1, 2 and the top-1 tokens, once each.
  std::vector<int32_t> ids;
  for (const pb::Token& token : block.tokens()) ids.push_back(token.id());
  EXPECT_THAT(ids, ElementsAre(0, 1, 2, FakeTokenizer::kIs, FakeTokenizer::kGermany));
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
  EXPECT_THAT(Ids(result.prompts().at(0)), ElementsAre(FakeTokenizer::kBos));
  EXPECT_THAT(Ids(result.prompts().at(1)), ElementsAre(FakeTokenizer::kBos, 7));
}

TEST(ScanTest, WarnsOfWhatMaySurprise) {
  TestServer server;
  server.Serve();
  pb::AblateRequest request = ScanRequest("Berlin is ", "x");
  request.mutable_prompts(0)->add_contrasts()->set_id(5);
  const ScanResult result = RunScan(server.stub(), request);
  ASSERT_TRUE(result.status.ok()) << result.status.error_message();
  EXPECT_THAT(result.prompts().at(0).warnings(),
              ElementsAre(HasSubstr("ends in a space"), HasSubstr("target \"x\" has no leading space")));
  EXPECT_EQ(result.prompts().at(0).contrasts(0).id(), 5);
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
          request.mutable_prompts()->rbegin()->add_targets()->set_id(c);
        }
        const ScanResult result = RunScan(*stub, request);
        if (!result.status.ok() || result.rows() != 14) continue;
        bool all = true;
        for (const auto& response : result.responses) {
          const pb::RowBlock& block = response.row_block();
          for (int i = 0; i < block.variant_size(); ++i) {
            const int v = block.variant(i);
            const int32_t id = block.prompt_index(i) == 0 ? c : call;
            all = all && block.target_logprob(i) == ZeroedLogprob({id}, c, v);
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
