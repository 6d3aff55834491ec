// Health from the port's opening to the drain's end.
#include "server/health.h"

#include <deque>
#include <memory>

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

// Nobody is asked who they are here.
TEST(HealthTest, WatchesAreBoundedAndAPlaceIsFreeAgainWhenOneEnds) {
  TestServer server({.max_calls_per_connection = 2 * static_cast<int32_t>(HealthService::kMaxWatches)});
  struct Watch {
    grpc::ClientContext context = {};
    std::unique_ptr<grpc::ClientReader<Health>> reader = {};
  };
  std::deque<Watch> watches;
  Health response;
  const auto watch = [&] {
    Watch& added = watches.emplace_back();
    added.reader = server.health().Watch(&added.context, {});
    return added.reader->Read(&response);
  };
  for (size_t i = 0; i < HealthService::kMaxWatches; ++i) ASSERT_TRUE(watch()) << i;
  ASSERT_FALSE(watch());
  const grpc::Status refused = watches.back().reader->Finish();
  EXPECT_EQ(refused.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(DetailsOf(refused).info.reason(), "TOO_MANY_WATCHES");
  EXPECT_EQ(Check(server), Health::NOT_SERVING) << "who asks once is answered";
  watches.front().context.TryCancel();
  bool is_free = false;
  for (int i = 0; i < 500 && !is_free; ++i) {
    is_free = watch();
    absl::SleepFor(absl::Milliseconds(10));
  }
  EXPECT_TRUE(is_free);
  for (Watch& each : watches) each.context.TryCancel();
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
