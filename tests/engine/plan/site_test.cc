#include "engine/plan/site.h"

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ablate {
namespace {

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

TEST(VariantTest, LabelsDistinctSites) {
  EXPECT_EQ(Label(Variant{}), "baseline");
  EXPECT_EQ(Label(Variant{{{.site = {0, 1}}}}), "L0H1");
  EXPECT_EQ(Label(Variant{{{.site = {0, 1}}, {.site = {2, 3}}}}), "L0H1+L2H3");
  EXPECT_EQ(Label(Variant{{{.site = {0, 1}, .positions = {0, 2}}, {.site = {0, 1}, .positions = {3, 4}}}}), "L0H1");
}

}  // namespace
}  // namespace ablate
