// TLS and mutual TLS over a socket: who gets in, and who does not.
#include "gmock/gmock.h"
#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"
#include "tests/server/auth/certificates.h"
#include "tests/server/scan_call.h"
#include "tests/server/test_server.h"

namespace ablate {
namespace {

using ::testing::HasSubstr;

TlsOptions Write(const TestCertificate& made, const std::string& client_ca = "") {
  return {.certificate = WriteTestFile("cert.pem", made.certificate),
          .key = WriteTestFile("key.pem", made.key),
          .client_ca = client_ca.empty() ? "" : WriteTestFile("client-ca.pem", client_ca)};
}

ServerOptions With(const TlsOptions& tls) {
  ServerOptions options;
  options.tls = tls;
  return options;
}

// What a client that trusts `authority`, and shows `own`, is answered.
grpc::Status Ask(TestServer& server, const std::string& authority, const TestCertificate& own = {}) {
  grpc::SslCredentialsOptions ssl;
  ssl.pem_root_certs = authority;
  ssl.pem_private_key = own.key;
  ssl.pem_cert_chain = own.certificate;
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  const auto stub = ablation::v1::AblationService::NewStub(
      grpc::CreateCustomChannel(server.server().address(), grpc::SslCredentials(ssl), arguments));
  return RunScan(*stub, ScanRequest("Berlin is")).status;
}

void ExpectRefused(const grpc::Status& status) {
  // The handshake fails, so nothing that the server knows is told.
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE) << status.error_message();
  EXPECT_EQ(status.error_details(), "");
}

class TlsTest : public testing::Test {
 protected:
  const TestAuthority authority_{"authority"}, stranger_{"stranger"};
};

TEST_F(TlsTest, WhoTrustsTheAuthorityIsServed) {
  TestServer server(With(Write(authority_.Issue())));
  server.Serve();
  const grpc::Status status = Ask(server, authority_.certificate());
  EXPECT_TRUE(status.ok()) << status.error_message();
}

TEST_F(TlsTest, PlainTextIsNotServed) {
  TestServer server(With(Write(authority_.Issue())));
  server.Serve();
  ExpectRefused(RunScan(server.stub(), ScanRequest("Berlin is")).status);
}

TEST_F(TlsTest, AClientRefusesAServerOfAnotherAuthorityOrName) {
  TestServer server(With(Write(authority_.Issue())));
  server.Serve();
  ExpectRefused(Ask(server, stranger_.certificate()));
  TestServer elsewhere(With(Write(authority_.Issue({.alternative_names = "DNS:example.org"}))));
  elsewhere.Serve();
  ExpectRefused(Ask(elsewhere, authority_.certificate()));
}

TEST_F(TlsTest, MutualTlsServesWhoHasACertificateOfTheClientsAuthority) {
  const TestAuthority clients("clients");
  TestServer server(With(Write(authority_.Issue(), clients.certificate())));
  server.Serve();
  const grpc::Status status = Ask(server, authority_.certificate(), clients.Issue());
  EXPECT_TRUE(status.ok()) << status.error_message();
}

TEST_F(TlsTest, MutualTlsRefusesEverybodyElse) {
  const TestAuthority clients("clients");
  TestServer server(With(Write(authority_.Issue(), clients.certificate())));
  server.Serve();
  ExpectRefused(Ask(server, authority_.certificate()));
  ExpectRefused(Ask(server, authority_.certificate(), stranger_.Issue()));
  // The server's own authority is not the clients'.
  ExpectRefused(Ask(server, authority_.certificate(), authority_.Issue()));
  ExpectRefused(Ask(server, authority_.certificate(), clients.Issue({.lifetime = -absl::Hours(1)})));
}

TEST_F(TlsTest, FilesThatCannotBeUsedAreNamedAndNotTheAddressBlamed) {
  ServerOptions options = With(Write(authority_.Issue()));
  options.listen = "127.0.0.1:0";
  options.tls.key = WriteTestFile("other.pem", authority_.Issue().key);
  const auto server = Server::Start(options);
  ASSERT_FALSE(server.ok());
  EXPECT_THAT(server.status().message(), HasSubstr("--tls-key"));
}

}  // namespace
}  // namespace ablate
