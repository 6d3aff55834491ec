// Whom a client tells its token, and what it says where TLS does not come about.
#include <fstream>

#include "absl/strings/str_cat.h"
#include "client/cpp/client.h"
#include "client/cpp/connection.h"
#include "client/cpp/errors.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/run_program.h"

namespace ablate::client {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kToken[] = "ablate_0123456789abcdef_secret";

// A name may resolve to anything, whatever it looks like.
TEST(ConnectionTest, OnlyThisMachineIsThisMachine) {
  for (const char* address : {"unix:/a", "unix-abstract:a", "127.0.0.1:1", "127.8.9.10:1", "localhost:1", "[::1]:1",
                              "ipv4:127.0.0.1:1", "ipv6:[::1]:1"}) {
    EXPECT_TRUE(IsThisMachine(address)) << address;
  }
  for (const char* address :
       {"example.org:1", "127.example.org:1", "localhost.example.org:1", "unix.example.org:1", "10.0.0.1:1",
        "0.0.0.0:1", "[::]:1", "ipv4:127.0.0.1:1,10.0.0.1:1", "dns:localhost:1", "127.1:1"}) {
    EXPECT_FALSE(IsThisMachine(address)) << address;
  }
}

TEST(ConnectionTest, ATokenIsNotSentInPlainTextToOthers) {
  const auto refused = MakeChannel("example.org:1", {.token = kToken});
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(refused.status().message(), AllOf(HasSubstr("use --tls, or say --insecure"), Not(HasSubstr(kToken))));
  EXPECT_TRUE(MakeChannel("example.org:1", {.tls = true, .token = kToken}).ok());
  EXPECT_TRUE(MakeChannel("example.org:1", {.token = kToken, .insecure = true}).ok());
  EXPECT_TRUE(MakeChannel("127.0.0.1:1", {.token = kToken}).ok());
  EXPECT_TRUE(MakeChannel("example.org:1", {}).ok());
  EXPECT_THAT(MakeChannel("127.0.0.1:1", {.token = "a\nb"}).status().message(),
              HasSubstr("characters that no token has"));
}

TEST(ConnectionTest, FilesAndFlagsThatDoNotGoTogetherAreNamed) {
  const std::string empty = ::testing::TempDir() + "empty.pem";
  std::ofstream(empty).flush();
  for (const auto& [options, message] : std::vector<std::pair<ConnectOptions, const char*>>{
           {{.tls = true, .tls_certificate = "c"}, "--tls-cert and --tls-key belong together"},
           {{.tls = true, .tls_key = "k"}, "--tls-cert and --tls-key belong together"},
           {{.tls_ca = "ca"}, "add --tls"},
           {{.tls = true, .tls_ca = "/no/such.pem"}, "--tls-ca /no/such.pem: cannot be read"},
           {{.tls = true, .tls_ca = empty}, "holds no PEM"}}) {
    EXPECT_THAT(MakeChannel("127.0.0.1:1", options).status().message(), HasSubstr(message));
  }
}

// In gRPC's own words, which are those of the release that is pinned.
TEST(ConnectionTest, WhatGrpcSaysOfTlsHasAWayOut) {
  const auto way_out = [](const char* message) {
    return std::string(FromGrpc({grpc::StatusCode::UNAVAILABLE, message}, "host:1").message());
  };
  EXPECT_THAT(way_out("failed to connect to all addresses; last error: UNAVAILABLE: ipv4:127.0.0.1:1: Socket closed"),
              HasSubstr("if the server speaks TLS, add --tls"));
  EXPECT_THAT(way_out("Ssl handshake failed: SSL_ERROR_SSL: error:0A00010B:SSL routines::wrong version number"),
              HasSubstr("drop --tls"));
  EXPECT_THAT(way_out("SSL_ERROR_SSL: error:0A000086:SSL routines::certificate verify failed"), HasSubstr("--tls-ca"));
  EXPECT_THAT(way_out("Peer name localhost is not in peer certificate"), HasSubstr("for another name"));
  // A server that dies amid a call is another matter.
  EXPECT_THAT(way_out("Socket closed"), Not(HasSubstr("TLS")));
}

class TokenProgramTest : public ::testing::Test {
 protected:
  ablate::testing::ProgramResult Run(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {ABLATE_PROGRAM, "token"});
    return ablate::testing::RunProgram(std::move(arguments), {"ABLATE_TOKENS=" + file_});
  }

  const std::string file_ =
      absl::StrCat(::testing::TempDir(), ::testing::UnitTest::GetInstance()->current_test_info()->name(), ".json");
};

TEST_F(TokenProgramTest, CreatesListsAndRevokes) {
  const auto made = Run({"create", "--tenant", "lab", "--scope", "scan,job", "--expires", "30d"});
  ASSERT_EQ(made.exit_code, 0) << made.err;
  EXPECT_THAT(made.out, ::testing::MatchesRegex("ablate_[0-9a-f]+_[A-Za-z0-9_-]+\n"));
  const std::string id = made.out.substr(7, 16);
  EXPECT_THAT(made.err, HasSubstr(id));
  const auto listed = Run({"list"});
  EXPECT_THAT(listed.out,
              AllOf(HasSubstr(id), HasSubstr("lab "), HasSubstr("scan,job"), Not(HasSubstr(made.out.substr(24, 40)))));
  const auto revoked = Run({"revoke", id});
  EXPECT_EQ(revoked.exit_code, 0) << revoked.err;
  EXPECT_EQ(Run({"list"}).out, "no tokens\n");
  const auto again = Run({"revoke", id});
  EXPECT_EQ(again.exit_code, 1);
  EXPECT_THAT(again.err, HasSubstr("there is no token " + id));
}

TEST_F(TokenProgramTest, WrongUsageIsNamedAndMakesNoToken) {
  for (const auto& [arguments, message] : std::vector<std::pair<std::vector<std::string>, const char*>>{
           {{"create", "--tenant", "Lab", "--scope", "scan"}, "got the tenant `Lab`, expected 1 .. 32"},
           {{"create", "--tenant", "lab", "--scope", "scan,all"}, "--scope: got the scope `all`"},
           {{"create", "--tenant", "lab", "--scope", "scan", "--expires", "-1d"}, "--expires `-1d`: expected a time"},
           {{"create", "--tenant", "lab", "--scope", "scan", "--expires", "30"}, "--expires `30`"},
           {{"create", "--tenant", "lab"}, "--scope"},
           {{"revoke", "ablate_x"}, "expected the 16 hex digits"}}) {
    const auto result = Run(arguments);
    EXPECT_EQ(result.exit_code, 2) << result.err;
    EXPECT_THAT(result.err, HasSubstr(message));
    EXPECT_EQ(result.out, "");
  }
  EXPECT_FALSE(std::ifstream(file_).is_open());
}

}  // namespace
}  // namespace ablate::client
