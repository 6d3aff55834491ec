// The server's end: who may finish, who is turned away, who is cut off.
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>

#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/scan_call.h"
#include "tests/server/test_server.h"

namespace ablate {
namespace {

using ::testing::HasSubstr;

TEST(DrainTest, RunningAndWaitingRequestsFinishWhileNewOnesAreTurnedAway) {
  TestServer server;
  server.Serve(14);
  server.device().Pause();
  ScanCall running(server.stub(), ManyPrompts(20));
  ASSERT_TRUE(server.device().WaitForRuns(1));
  int64_t cut_off = -1;
  std::thread drain([&] { cut_off = server.server().Drain(absl::Seconds(20)); });
  grpc::Status refused;
  for (int i = 0; i < 500 && refused.error_code() != grpc::StatusCode::UNAVAILABLE; ++i) {
    refused = RunScan(server.stub(), ScanRequest("b"), std::chrono::milliseconds(50)).status;
  }
  EXPECT_EQ(refused.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_THAT(refused.error_message(), HasSubstr("draining"));
  const Details details = DetailsOf(refused);
  EXPECT_EQ(details.info.reason(), "DRAINING");
  EXPECT_TRUE(details.retry.has_retry_delay());
  server.device().Resume();
  drain.join();
  EXPECT_EQ(cut_off, 0);
  EXPECT_TRUE(running.Wait().status.ok()) << running.Wait().status.error_message();
  EXPECT_EQ(running.Wait().rows(), 140);
}

TEST(DrainTest, WhatTakesTooLongIsCutOff) {
  TestServer server;
  server.Serve(14);
  server.device().Allow(2);
  ScanCall running(server.stub(), ManyPrompts(20));
  ASSERT_TRUE(server.device().WaitForRuns(3));
  int64_t cut_off = -1;
  std::thread drain([&] { cut_off = server.server().Drain(absl::Milliseconds(200)); });
  // The client is let go although the device hangs.
  EXPECT_FALSE(running.Wait().status.ok());
  EXPECT_LT(running.Wait().rows(), 140);
  server.device().Resume();
  drain.join();
  EXPECT_EQ(cut_off, 1);
}

TEST(DrainTest, IdleServerStopsAtOnce) {
  TestServer server;
  server.Serve();
  ASSERT_TRUE(RunScan(server.stub(), ScanRequest("a")).status.ok());
  const absl::Time begin = absl::Now();
  EXPECT_EQ(server.server().Drain(absl::Seconds(30)), 0);
  EXPECT_LT(absl::Now() - begin, absl::Seconds(5));
}

TEST(DrainTest, ServerThatNeverServedStops) {
  TestServer server;
  EXPECT_EQ(server.server().Drain(absl::Seconds(30)), 0);
}

TEST(ListenTest, PortInUseIsSaid) {
  TestServer server;
  const auto second = Server::Start({.listen = server.server().address()});
  ASSERT_FALSE(second.ok());
  EXPECT_THAT(std::string(second.status().message()),
              HasSubstr("cannot listen on " + server.server().address() + ": the address is in use"));
}

// A path of its own in the tests' folder.
std::string SocketPath(const std::string& name) {
  return testing::TempDir() + "ablated-" + std::to_string(getpid()) + "-" + name;
}

TEST(ListenTest, ALivingServersSocketIsNotTaken) {
  const std::string path = SocketPath("living.sock");
  TestServer server({.listen = "unix:" + path});
  server.Serve();
  for (const std::string& listen : {"unix:" + path, "unix://" + path}) {
    const auto second = Server::Start({.listen = listen});
    ASSERT_FALSE(second.ok());
    EXPECT_EQ(second.status().code(), absl::StatusCode::kUnavailable);
    EXPECT_THAT(std::string(second.status().message()),
                HasSubstr("cannot listen on unix:" + path + ": another server is listening there"));
  }
  const auto stub = ablation::v1::AblationService::NewStub(server.NewChannel());
  EXPECT_TRUE(RunScan(*stub, ScanRequest("a")).status.ok());
}

TEST(ListenTest, ASocketLeftByACrashIsTakenOver) {
  const std::string path = SocketPath("stale.sock");
  const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::copy(path.begin(), path.end(), address.sun_path);
  ASSERT_EQ(bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  close(fd);
  ASSERT_TRUE(std::filesystem::exists(path));
  TestServer server({.listen = "unix:" + path});
  server.Serve();
  EXPECT_TRUE(RunScan(server.stub(), ScanRequest("a")).status.ok());
  server.server().Drain(absl::ZeroDuration());
  EXPECT_FALSE(std::filesystem::exists(path)) << "the drain removes it";
}

TEST(ListenTest, AFileThatIsNoSocketStays) {
  const std::string path = SocketPath("file");
  std::ofstream(path) << "mine";
  const auto server = Server::Start({.listen = "unix:" + path});
  ASSERT_FALSE(server.ok());
  EXPECT_THAT(std::string(server.status().message()), HasSubstr("a file that is no socket stands there"));
  EXPECT_TRUE(std::filesystem::exists(path));
  std::filesystem::remove(path);
}

TEST(ListenTest, UnixSocketOfThisUserOnly) {
  const std::string path = SocketPath("test.sock");
  TestServer server({.listen = "unix:" + path});
  server.Serve();
  EXPECT_EQ(server.server().port(), 0);
  EXPECT_TRUE(RunScan(server.stub(), ScanRequest("a")).status.ok());
  using std::filesystem::perms;
  const perms others = perms::group_all | perms::others_all;
  EXPECT_EQ(std::filesystem::status(path).permissions() & others, perms::none);
}

}  // namespace
}  // namespace ablate
