// How likely the prompt itself is under each run.
#include <map>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/ids_scan.h"

namespace ablate {
namespace {

namespace pb = ::ablation::v1;
using ::testing::SizeIs;

TEST(LikelihoodTest, EveryRunTellsHowLikelyThePromptIs) {
  for (const FakeBlocks blocks : {FakeBlocks{}, FakeBlocks{.rows = 1, .backwards = true}, FakeBlocks{.rows = 3}}) {
    pb::AblateRequest request = IdsRequest();
    request.mutable_readout()->set_likelihood(true);
    const ScanResult result = ResultOf(request, blocks);
    EXPECT_EQ(result.rows(), 7);
    std::map<int, int> seen;
    double base = 0;
    for (int32_t p = 0; p < 2; ++p)
      base -= FakeEngine::Logprob(Residual(kIds, {}, p), kIds[static_cast<size_t>(p) + 1]);
    for (const auto& response : result.responses) {
      const pb::LikelihoodBlock& block = response.likelihood_block();
      ASSERT_EQ(block.token_logprob_size(), 2 * block.variant_size());
      for (int i = 0; i < block.variant_size(); ++i) {
        ++seen[block.variant(i)];
        const bool is_edited = block.variant(i) >= 0;
        EXPECT_EQ(block.replacement(i), is_edited ? 0 : -1);
        EXPECT_EQ(block.edit_position(i), -1);
        double nll = 0;
        for (int32_t p = 0; p < 2; ++p) {
          const double residual =
              Residual(kIds, is_edited ? std::vector<int>{block.variant(i)} : std::vector<int>{}, p);
          const double logprob = FakeEngine::Logprob(residual, kIds[static_cast<size_t>(p) + 1]);
          EXPECT_EQ(block.token_logprob(2 * i + p), logprob);
          nll -= logprob;
        }
        EXPECT_EQ(block.mean_nll(i), nll / 2);
        EXPECT_EQ(block.delta_mean_nll(i), nll / 2 - base / 2);
      }
    }
    EXPECT_THAT(seen, SizeIs(7));
    for (const auto& [variant, times] : seen) EXPECT_EQ(times, 1) << variant;
  }
}

// A patched run's text is its own prompt's; the other prompt's tokens under it would mean nothing.
TEST(LikelihoodTest, UnderDenoisingTheTextIsTheCorruptedOne) {
  pb::AblateRequest request = IdsRequest();
  for (const int32_t id : {7, 8, 9}) request.mutable_prompts(0)->mutable_corrupted_token_ids()->add_ids(id);
  request.add_replacements()->mutable_resample()->set_direction(pb::DIRECTION_DENOISING);
  request.mutable_readout()->set_likelihood(true);
  const ScanResult result = ResultOf(request);
  std::map<int, double> first;
  for (const auto& response : result.responses) {
    const pb::LikelihoodBlock& block = response.likelihood_block();
    for (int i = 0; i < block.variant_size(); ++i) first[block.variant(i)] = block.token_logprob(2 * i);
  }
  // Both unedited runs, each with its own text.
  ASSERT_THAT(first, SizeIs(8));
  ASSERT_TRUE(first.contains(-1) && first.contains(-2));
  EXPECT_EQ(first[-1], FakeEngine::Logprob(kIds[0], kIds[1]));
  EXPECT_EQ(first[-2], FakeEngine::Logprob(7, 8));
}

}  // namespace
}  // namespace ablate
