// The server's end: who may finish, who is turned away, who is cut off.
#include <cstdio>
#include <filesystem>

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

TEST(ListenTest, UnixSocketOfThisUserOnly) {
  const std::string path = testing::TempDir() + "ablated-test.sock";
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
