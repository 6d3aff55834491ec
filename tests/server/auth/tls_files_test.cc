#include "server/auth/tls_files.h"

#include <sys/stat.h>
#include <unistd.h>

#include <vector>

#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/auth/certificates.h"

namespace ablate {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class TlsFilesTest : public testing::Test {
 protected:
  TlsOptions Write(const CertificateOptions& options = {}) {
    const TestCertificate made = authority_.Issue(options);
    return {.certificate = WriteTestFile("cert.pem", made.certificate), .key = WriteTestFile("key.pem", made.key)};
  }

  TestAuthority authority_{"authority"};
};

TEST_F(TlsFilesTest, GivesWhatTheFilesHold) {
  TlsOptions options = Write();
  options.client_ca = WriteTestFile("ca.pem", authority_.certificate());
  const auto files = ReadTlsFiles(options, absl::Now());
  ASSERT_TRUE(files.ok()) << files.status();
  EXPECT_THAT(files->certificate, HasSubstr("BEGIN CERTIFICATE"));
  EXPECT_THAT(files->key, HasSubstr("BEGIN PRIVATE KEY"));
  EXPECT_EQ(files->client_ca, authority_.certificate());
  EXPECT_THAT(files->warnings, IsEmpty());
}

TEST_F(TlsFilesTest, SaysWhichFileIsNotThere) {
  TlsOptions options = Write();
  options.key = "/no/such/key.pem";
  const auto files = ReadTlsFiles(options, absl::Now());
  EXPECT_EQ(files.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(files.status().message(), HasSubstr("--tls-key /no/such/key.pem"));
}

TEST_F(TlsFilesTest, SaysWhatIsNoPem) {
  TlsOptions no_certificate = Write();
  no_certificate.certificate = WriteTestFile("empty.pem", "");
  EXPECT_THAT(ReadTlsFiles(no_certificate, absl::Now()).status().message(), HasSubstr("holds no certificate"));
  TlsOptions no_key = Write();
  no_key.key = no_key.certificate;
  EXPECT_THAT(ReadTlsFiles(no_key, absl::Now()).status().message(), HasSubstr("--tls-key " + no_key.key));
  TlsOptions no_authority = Write();
  no_authority.client_ca = no_authority.key;
  EXPECT_THAT(ReadTlsFiles(no_authority, absl::Now()).status().message(), HasSubstr("--tls-client-ca"));
}

// Those behind it were left out, and their clients turned away.
TEST_F(TlsFilesTest, ADamagedCertificateIsNotTheFilesEnd) {
  TlsOptions options = Write();
  const std::string& good = authority_.certificate();
  const size_t second_line = good.find('\n') + 1;
  const std::string damaged = std::string(good).erase(second_line, good.find('\n', second_line) + 1 - second_line);
  const std::string cut_off = good.substr(0, good.size() / 2);
  for (const std::string& last : {damaged + good, cut_off}) {
    options.client_ca = WriteTestFile("ca.pem", good + last);
    EXPECT_THAT(ReadTlsFiles(options, absl::Now()).status().message(),
                AllOf(HasSubstr("--tls-client-ca"), HasSubstr("certificate 2 is damaged")));
  }
  options.certificate = WriteTestFile("cert.pem", damaged);
  EXPECT_THAT(ReadTlsFiles(options, absl::Now()).status().message(), HasSubstr("certificate 1 is damaged"));
}

TEST_F(TlsFilesTest, AKeyOfAnotherCertificateIsRefused) {
  TlsOptions options = Write();
  options.key = WriteTestFile("other.pem", authority_.Issue().key);
  EXPECT_THAT(ReadTlsFiles(options, absl::Now()).status().message(), HasSubstr("does not belong to the certificate"));
}

TEST_F(TlsFilesTest, AKeyWithAPassphraseIsRefusedAndNobodyAskedForIt) {
  const auto files = ReadTlsFiles(Write({.passphrase = "secret"}), absl::Now());
  EXPECT_THAT(files.status().message(), HasSubstr("the key is encrypted, expected one without a passphrase"));
}

TEST_F(TlsFilesTest, AnExpiredCertificateIsRefusedAndASoonExpiredOneWarnedAbout) {
  const TlsOptions options = Write({.lifetime = absl::Hours(24 * 10)});
  const auto soon = ReadTlsFiles(options, absl::Now());
  ASSERT_TRUE(soon.ok()) << soon.status();
  EXPECT_THAT(soon->warnings, ElementsAre(HasSubstr("the certificate expires at ")));
  const auto late = ReadTlsFiles(options, absl::Now() + absl::Hours(24 * 11));
  EXPECT_THAT(late.status().message(), HasSubstr("the certificate expired at "));
}

TEST_F(TlsFilesTest, ACertificateThatIsNotGoodYetIsRefused) {
  const auto early = ReadTlsFiles(Write(), absl::Now() - absl::Hours(2));
  EXPECT_EQ(early.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(early.status().message(), HasSubstr("the certificate is good from "));
}

// Clients with certificates of another CA in the file are served all the same.
TEST_F(TlsFilesTest, WarnsOfEachCertificateOfAChainOrAClientsCaThatIsNotGood) {
  TlsOptions options = Write({.lifetime = absl::Hours(24 * 365)});
  const std::string old = authority_.Issue({.lifetime = -absl::Hours(1)}).certificate;
  options.client_ca = WriteTestFile("ca.pem", authority_.certificate() + old);
  EXPECT_THAT(ReadTlsFiles(options, absl::Now())->warnings,
              ElementsAre(AllOf(HasSubstr("--tls-client-ca"), HasSubstr("the certificate expired at "))));
  EXPECT_THAT(ReadTlsFiles(options, absl::Now() + absl::Hours(24 * 20))->warnings,
              ElementsAre(HasSubstr("the certificate expires at "), HasSubstr("the certificate expired at ")));
  const TestCertificate made = authority_.Issue();
  const TlsOptions chain = {.certificate = WriteTestFile("cert.pem", made.certificate + old),
                            .key = WriteTestFile("key.pem", made.key)};
  EXPECT_THAT(ReadTlsFiles(chain, absl::Now())->warnings,
              ElementsAre(AllOf(HasSubstr("--tls-cert"), HasSubstr("the certificate expired at "))));
}

// `--tls-key <(decrypt key)`.
TEST_F(TlsFilesTest, AKeyMayComeThroughAPipe) {
  TlsOptions options = Write();
  const TestCertificate made = authority_.Issue();
  options.certificate = WriteTestFile("cert.pem", made.certificate);
  int ends[2] = {-1, -1};
  ASSERT_EQ(pipe(ends), 0);
  ASSERT_EQ(write(ends[1], made.key.data(), made.key.size()), static_cast<ssize_t>(made.key.size()));
  close(ends[1]);
  options.key = "/dev/fd/" + std::to_string(ends[0]);
  const auto files = ReadTlsFiles(options, absl::Now());
  close(ends[0]);
  ASSERT_TRUE(files.ok()) << files.status();
  EXPECT_EQ(files->key, made.key);
}

TEST_F(TlsFilesTest, WarnsOfAKeyThatOthersMayRead) {
  const TlsOptions options = Write();
  chmod(options.key.c_str(), 0640);
  EXPECT_THAT(ReadTlsFiles(options, absl::Now())->warnings, IsEmpty());
  chmod(options.key.c_str(), 0644);
  EXPECT_THAT(ReadTlsFiles(options, absl::Now())->warnings,
              ElementsAre(HasSubstr("other users of this machine may read it (mode 0644)")));
  chmod(options.key.c_str(), 0660);
  EXPECT_THAT(ReadTlsFiles(options, absl::Now())->warnings, ElementsAre(HasSubstr("may change it (mode 0660)")));
}

}  // namespace
}  // namespace ablate
