// Health from the port's opening to the drain's end.
#include "gtest/gtest.h"
#include "tests/server/scan_call.h"
#include "tests/server/test_server.h"

namespace ablate {
namespace {

namespace pb = ::grpc::health::v1;
using Health = pb::HealthCheckResponse;

int Check(TestServer& server, const std::string& service = "") {
  grpc::ClientContext context;
  pb::HealthCheckRequest request;
  request.set_service(service);
  Health response;
  const grpc::Status status = server.health().Check(&context, request, &response);
  return status.ok() ? response.status() : -static_cast<int>(status.error_code());
}

TEST(HealthTest, NotServingWhileLoading) {
  TestServer server;
  EXPECT_EQ(Check(server), Health::NOT_SERVING);
  EXPECT_EQ(Check(server, "ablation.v1.AblationService"), Health::NOT_SERVING);
  server.Serve();
  EXPECT_EQ(Check(server), Health::SERVING);
  EXPECT_EQ(Check(server, "ablation.v1.AblationService"), Health::SERVING);
}

TEST(HealthTest, UnknownServiceIsNotFound) {
  TestServer server;
  EXPECT_EQ(Check(server, "nobody"), -static_cast<int>(grpc::StatusCode::NOT_FOUND));
}

TEST(HealthTest, WatchTellsEachChangeAndEndsWithTheDrain) {
  TestServer server;
  grpc::ClientContext context;
  const auto reader = server.health().Watch(&context, pb::HealthCheckRequest());
  Health response;
  ASSERT_TRUE(reader->Read(&response));
  EXPECT_EQ(response.status(), Health::NOT_SERVING);
  server.Serve();
  ASSERT_TRUE(reader->Read(&response));
  EXPECT_EQ(response.status(), Health::SERVING);
  server.server().Drain(absl::Seconds(5));
  ASSERT_TRUE(reader->Read(&response));
  EXPECT_EQ(response.status(), Health::NOT_SERVING);
  EXPECT_FALSE(reader->Read(&response));
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST(HealthTest, WatchOfAnUnknownServiceStaysOpen) {
  TestServer server;
  grpc::ClientContext context;
  pb::HealthCheckRequest request;
  request.set_service("nobody");
  const auto reader = server.health().Watch(&context, request);
  Health response;
  ASSERT_TRUE(reader->Read(&response));
  EXPECT_EQ(response.status(), Health::SERVICE_UNKNOWN);
  server.Serve();
  context.TryCancel();
  EXPECT_FALSE(reader->Read(&response));
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
}

TEST(HealthTest, NotServingFromTheDrainsFirstMoment) {
  TestServer server;
  server.Serve();
  server.device().Pause();
  ScanCall running(server.stub(), ScanRequest("a"));
  ASSERT_TRUE(server.device().WaitForRuns(1));
  std::thread drain([&server] { server.server().Drain(absl::Seconds(20)); });
  int health = Check(server);
  for (int i = 0; i < 500 && health != Health::NOT_SERVING; ++i) {
    absl::SleepFor(absl::Milliseconds(10));
    health = Check(server);
  }
  EXPECT_EQ(health, Health::NOT_SERVING);
  server.device().Resume();
  drain.join();
  EXPECT_TRUE(running.Wait().status.ok());
}

}  // namespace
}  // namespace ablate
