#include "server/auth/token.h"

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ablate {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

NewToken Issue() {
  return IssueToken({.tenant = "lab", .scopes = {Scope::kScan}, .created = absl::FromUnixSeconds(1000)}).value();
}

TEST(TokenTest, WhatIsTakenApartHasItsSecret) {
  const NewToken token = Issue();
  const auto presented = ParseToken(token.text);
  ASSERT_TRUE(presented.has_value()) << token.text;
  EXPECT_EQ(presented->id, token.record.id);
  EXPECT_TRUE(HasSecret(token.record, presented->secret));
  EXPECT_THAT(token.record.secret_sha256, Not(HasSubstr(presented->secret)));
  EXPECT_EQ(presented->secret.size(), 43U) << "256 bits in base64";
}

TEST(TokenTest, NoTwoAreAlike) {
  const NewToken a = Issue(), b = Issue();
  EXPECT_NE(a.record.id, b.record.id);
  EXPECT_NE(a.record.secret_sha256, b.record.secret_sha256);
  EXPECT_FALSE(HasSecret(a.record, ParseToken(b.text)->secret));
}

// Each character counts.
TEST(TokenTest, ASecretThatDiffersInOneCharacterIsAnother) {
  const NewToken token = Issue();
  const std::string secret = ParseToken(token.text)->secret;
  for (size_t i = 0; i < secret.size(); ++i) {
    std::string other = secret;
    other[i] = other[i] == 'A' ? 'B' : 'A';
    EXPECT_FALSE(HasSecret(token.record, other)) << i;
  }
  EXPECT_FALSE(HasSecret(token.record, ""));
  EXPECT_FALSE(HasSecret(token.record, secret.substr(1)));
  EXPECT_FALSE(HasSecret({}, secret)) << "a record without a hash is nobody's";
}

TEST(TokenTest, OtherTextsAreNone) {
  const std::string text = Issue().text;
  for (const std::string& other :
       {std::string(), std::string("ablate_"), text.substr(1), text + "A", text.substr(0, text.size() - 1), " " + text,
        absl::StrCat("ablate_XYZ3456789abcdef", text.substr(23)),
        absl::StrCat(text.substr(0, 23), "-", text.substr(24)),
        absl::StrCat(text.substr(0, 24), std::string(43, '\n'))}) {
    EXPECT_FALSE(ParseToken(other).has_value()) << other;
  }
}

TEST(TokenTest, AdminMayAllAndOthersWhatTheyHave) {
  const TokenRecord scan{.scopes = {Scope::kScan}}, both{.scopes = {Scope::kScan, Scope::kJob}},
      admin{.scopes = {Scope::kAdmin}};
  EXPECT_TRUE(scan.Allows(Scope::kScan));
  EXPECT_FALSE(scan.Allows(Scope::kJob));
  EXPECT_TRUE(both.Allows(Scope::kJob));
  EXPECT_FALSE(both.Allows(Scope::kAdmin));
  for (const Scope scope : {Scope::kScan, Scope::kJob, Scope::kAdmin}) {
    EXPECT_TRUE(admin.Allows(scope));
    EXPECT_EQ(ParseScope(Name(scope)).value(), scope);
  }
  EXPECT_THAT(ParseScope("scans").status().message(), HasSubstr("got the scope `scans`, expected scan, job or admin"));
}

// It becomes a folder's name.
TEST(TokenTest, TenantsHaveHarmlessNames) {
  for (const char* name : {"a", "lab-7", "0123456789012345678901234567890-"}) EXPECT_TRUE(IsTenantName(name)) << name;
  for (const char* name : {"", ".", "..", "a/b", "Lab", "a b", "a_b", "ä", "012345678901234567890123456789012"}) {
    EXPECT_FALSE(IsTenantName(name)) << name;
    EXPECT_FALSE(IssueToken({.tenant = name, .scopes = {Scope::kScan}, .created = absl::Now()}).ok()) << name;
  }
  const absl::Time now = absl::Now();
  EXPECT_FALSE(IssueToken({.tenant = "lab", .scopes = {}, .created = now}).ok());
  EXPECT_FALSE(IssueToken({.tenant = "lab", .scopes = {Scope::kJob}, .created = now, .expires = now}).ok());
}

}  // namespace
}  // namespace ablate
