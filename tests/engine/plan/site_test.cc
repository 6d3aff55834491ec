#include "engine/plan/site.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ablate {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(SiteTest, LabelsInTransformerLensForm) {
  EXPECT_EQ(Label(Site{5, 3}), "L5H3");
  EXPECT_EQ(Label(Site{0, 11}), "L0H11");
}

TEST(SiteTest, ParsesEveryForm) {
  for (const char* text : {"L5H13", "l5h13", "L5h13", "5.13", "A5.13", "a5.13", "a5.h13", "A5.H13", "L05H013"}) {
    const absl::StatusOr<Site> site = ParseSite(text);
    ASSERT_TRUE(site.ok()) << text << ": " << site.status();
    EXPECT_EQ(*site, (Site{5, 13})) << text;
  }
  EXPECT_EQ(*ParseSite("L2147483647H0"), (Site{INT32_MAX, 0}));
}

TEST(SiteTest, ParsesItsOwnLabels) {
  for (int32_t layer = 0; layer < 48; ++layer) {
    for (int32_t head = 0; head < 25; ++head) {
      const Site site{layer, head};
      EXPECT_EQ(*ParseSite(Label(site)), site);
    }
  }
}

TEST(SiteTest, RefusesEverythingElse) {
  for (const char* text : {"",      "L",        "L5",    "L5H",           "5",
                           "5.",    ".3",       "H3",    "L5.3",          "L5.H3",
                           "A5H3",  "5.h3",     "5h3",   "AA5.3",         "L-5H3",
                           "L5H-3", "L+5H3",    " L5H3", "L5H3 ",         "L5 H3",
                           "L5H3x", "L5H3L6H3", "5.3.1", "L2147483648H0", "L0H99999999999999999999"}) {
    const absl::StatusOr<Site> site = ParseSite(text);
    ASSERT_FALSE(site.ok()) << text;
    EXPECT_EQ(site.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(site.status().message()), HasSubstr(absl::StrCat("\"", text, "\"")));
    EXPECT_THAT(std::string(site.status().message()), HasSubstr("L5H3, 5.3, A5.3 or a5.h3"));
  }
}

TEST(SiteTest, EscapesTheTextItRefuses) {
  EXPECT_THAT(std::string(ParseSite(std::string_view("L\0\n\xff", 4)).status().message()),
              HasSubstr("\"L\\x00\\n\\xff\""));
}

std::vector<Site> Pattern(std::string_view text, ModelShape shape = {3, 2}) {
  const auto sites = ParseSitePattern(text, shape);
  EXPECT_TRUE(sites.ok()) << text << ": " << sites.status();
  return sites.value_or(std::vector<Site>());
}

TEST(SitePatternTest, StarsStandForAllLayersOrHeads) {
  for (const char* text : {"L1H*", "l1h*", "1.*", "A1.*", "a1.h*"}) {
    EXPECT_THAT(Pattern(text), ElementsAre(Site{1, 0}, Site{1, 1})) << text;
  }
  for (const char* text : {"L*H1", "*.1", "a*.h1"}) {
    EXPECT_THAT(Pattern(text), ElementsAre(Site{0, 1}, Site{1, 1}, Site{2, 1})) << text;
  }
  EXPECT_THAT(Pattern("L*H*", {2, 2}), ElementsAre(Site{0, 0}, Site{0, 1}, Site{1, 0}, Site{1, 1}));
  EXPECT_THAT(Pattern("a2.h1"), ElementsAre(Site{2, 1}));
}

TEST(SitePatternTest, NamesTextAndRange) {
  const auto message = [](std::string_view text) {
    const absl::Status status = ParseSitePattern(text, {3, 2}).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text;
    return std::string(status.message());
  };
  EXPECT_EQ(message("L3H*"), "site \"L3H*\" has layer 3, expected 0 .. 2");
  EXPECT_EQ(message("L*H2"), "site \"L*H2\" has head 2, expected 0 .. 1");
  EXPECT_EQ(message("L0H2"), "site \"L0H2\" has head 2, expected 0 .. 1");
  for (const char* text : {"*", "L*", "L**H1", "L1*H0", "L*1H0", "LH*", "L1H0*", "L1H**", "*5.1"}) {
    EXPECT_THAT(message(text), HasSubstr("is not of the form L5H3")) << text;
  }
  EXPECT_FALSE(ParseSite("L1H*").ok());
}

TEST(SitesLabelTest, JoinsSitesAndCompressesWholeLayers) {
  const ModelShape shape{.n_layers = 3, .n_heads = 3};
  const auto label = [shape](std::vector<Site> sites) { return Label(sites, shape); };
  EXPECT_EQ(label({}), "");
  EXPECT_EQ(label({{0, 1}}), "L0H1");
  EXPECT_EQ(label({{0, 1}, {2, 2}}), "L0H1+L2H2");
  EXPECT_EQ(label({{1, 0}, {1, 1}, {1, 2}}), "L1H*");
  EXPECT_EQ(label({{0, 2}, {1, 0}, {1, 1}, {1, 2}, {2, 0}, {2, 1}}), "L0H2+L1H*+L2H0+L2H1");
  EXPECT_EQ(label({{0, 0}, {0, 1}, {0, 2}, {1, 0}, {1, 1}, {1, 2}}), "L0H*+L1H*");
  // Three sites in a row, but of two layers.
  EXPECT_EQ(label({{0, 1}, {0, 2}, {1, 0}}), "L0H1+L0H2+L1H0");
  EXPECT_EQ(label({{1, 0}, {1, 1}, {2, 2}}), "L1H0+L1H1+L2H2");
  // Of a model with one head a layer, a head is a head.
  EXPECT_EQ(Label(std::vector<Site>{{0, 0}, {1, 0}}, {2, 1}), "L0H0+L1H0");
}

}  // namespace
}  // namespace ablate
