#include "server/convert.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/fake_tokenizer.h"

namespace ablate {
namespace {

namespace pb = ::ablation::v1;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(ConvertTest, VariantTellsItsSitesAndWhereItComesFrom) {
  const ModelShape shape = {.n_layers = 2, .n_heads = 3};
  const pb::Variant whole = MakeVariant({.sites = {{0, 1}, {1, 0}, {1, 1}, {1, 2}}, .name = "rest", .group = 2}, shape);
  EXPECT_EQ(whole.label(), "L0H1+L1H*");
  ASSERT_EQ(whole.sites_size(), 4);
  EXPECT_EQ(whole.sites(3).layer(), 1);
  EXPECT_EQ(whole.sites(3).head(), 2);
  EXPECT_EQ(whole.name(), "rest");
  EXPECT_EQ(whole.group(), 2);
  EXPECT_FALSE(whole.is_random());
  SiteSet set;
  set.sites = {{1, 2}};
  set.is_random = true;
  const pb::Variant plain = MakeVariant(set, shape);
  EXPECT_FALSE(plain.has_group());
  EXPECT_TRUE(plain.is_random());
}

TEST(ConvertTest, PromptTellsWhatWasUnderstood) {
  PreparedPrompt prepared;
  prepared.token_ids = {FakeTokenizer::kBerlin, FakeTokenizer::kIs};
  prepared.corrupted_ids = {'x', FakeTokenizer::kIs};
  prepared.target_ids = {FakeTokenizer::kGermany, 'y'};
  prepared.contrast_ids = {FakeTokenizer::kFrance};
  prepared.read_positions = {0, 1};
  prepared.edit_positions = {1};
  prepared.template_name = "capital";
  const pb::ResolvedPrompt prompt = MakeResolvedPrompt({}, prepared, FakeTokenizer());
  EXPECT_EQ(prompt.tokens(0).text(), "Berlin");
  ASSERT_EQ(prompt.targets_size(), 2);
  EXPECT_EQ(prompt.targets(1).raw(), "y");
  EXPECT_EQ(prompt.contrasts(0).id(), FakeTokenizer::kFrance);
  ASSERT_EQ(prompt.corrupted_tokens_size(), 2);
  EXPECT_EQ(prompt.corrupted_tokens(0).text(), "x");
  EXPECT_THAT(prompt.read_positions(), ElementsAre(0, 1));
  EXPECT_THAT(prompt.edit_positions(), ElementsAre(1));
  EXPECT_EQ(prompt.template_(), "capital");
  EXPECT_THAT(prompt.warnings(), IsEmpty());
}

TEST(ConvertTest, ManifestRepeatsTheRequestWithItsDefaults) {
  PreparedRequest prepared;
  prepared.readout.primary = PrimaryMetric::kTargetLogprob;
  pb::AblateRequest request;
  request.set_prepend_bos(true);
  request.mutable_edit_positions()->set_each(true);
  request.mutable_readout()->set_top_k(3);
  request.mutable_sweep()->mutable_filter()->add_layers(1);
  pb::Manifest manifest;
  FillManifest(request, prepared, manifest);
  ASSERT_EQ(manifest.replacements_size(), 1);
  EXPECT_TRUE(manifest.replacements(0).has_zero());
  EXPECT_TRUE(manifest.sweep().has_heads());
  EXPECT_THAT(manifest.sweep().filter().layers(), ElementsAre(1));
  EXPECT_TRUE(manifest.prepend_bos());
  EXPECT_TRUE(manifest.edit_positions().each());
  EXPECT_EQ(manifest.readout().top_k(), 3);
  EXPECT_EQ(manifest.primary_metric(), "target_logprob");

  request.mutable_sweep()->mutable_layers();
  request.add_replacements()->mutable_scale()->set_factor(2);
  pb::Manifest other;
  FillManifest(request, prepared, other);
  EXPECT_TRUE(other.sweep().has_layers());
  ASSERT_EQ(other.replacements_size(), 1);
  EXPECT_TRUE(other.replacements(0).has_scale());
}

}  // namespace
}  // namespace ablate
