// What clients can make the log hold: one line a failed call, and no more of them than it takes.
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "ablation/v1/service.grpc.pb.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"
#include "server/call_log.h"
#include "tests/server/log_capture.h"

namespace ablate {
namespace {

namespace pb = ::ablation::v1;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

// One call, which fails as it is told.
class FailingServer {
 public:
  explicit FailingServer(grpc::Status status) : service_(std::move(status)) {
    std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>> interceptors;
    interceptors.push_back(std::make_unique<CallLogFactory>());
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(&service_);
    builder.experimental().SetInterceptorCreators(std::move(interceptors));
    server_ = builder.BuildAndStart();
    stub_ = pb::AblationService::NewStub(
        grpc::CreateChannel("127.0.0.1:" + std::to_string(port), grpc::InsecureChannelCredentials()));
  }
  void Call() {
    grpc::ClientContext context;
    pb::DescribeModelResponse response;
    EXPECT_FALSE(stub_->DescribeModel(&context, {}, &response).ok());
  }

 private:
  class Service final : public pb::AblationService::CallbackService {
   public:
    explicit Service(grpc::Status status) : status_(std::move(status)) {}
    grpc::ServerUnaryReactor* DescribeModel(grpc::CallbackServerContext* context, const pb::DescribeModelRequest*,
                                            pb::DescribeModelResponse*) override {
      auto* reactor = context->DefaultReactor();
      reactor->Finish(status_);
      return reactor;
    }

   private:
    const grpc::Status status_;
  };

  Service service_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<pb::AblationService::Stub> stub_;
};

// Or a client writes into the log what it likes.
TEST(CallLogTest, AMessageStaysOnItsLine) {
  const LogCapture log;
  FailingServer({grpc::StatusCode::NOT_FOUND, "no `a\nerror: b\x1b[0m \xC3\xA9`"}).Call();
  EXPECT_THAT(log.LinesWith("no `a"), ElementsAre(HasSubstr("no `a\\nerror: b\\x1b[0m \xC3\xA9`")));
}

TEST(CallLogTest, WhatAnybodyCanCauseIsBoundedAndCounted) {
  const LogCapture log;
  FailingServer server({grpc::StatusCode::UNAUTHENTICATED, "no token"});
  constexpr int kCalls = 200;
  const absl::Time begin = absl::Now();
  for (int i = 0; i < kCalls; ++i) server.Call();
  const auto seconds = static_cast<size_t>(absl::ToInt64Seconds(absl::Now() - begin));
  const size_t written = log.LinesWith("UNAUTHENTICATED").size();
  EXPECT_LE(written, 20 * (seconds + 2));
  absl::SleepFor(absl::Milliseconds(1100));
  server.Call();
  size_t left_out = 0;
  for (const std::string& line : log.LinesWith("more calls that were refused")) {
    left_out += static_cast<size_t>(std::stoul(line.substr(line.find(": ") + 2)));
  }
  EXPECT_EQ(written + left_out, size_t{kCalls});
}

TEST(CallLogTest, WhatTheServerIsToBlameForIsAlwaysWritten) {
  const LogCapture log;
  FailingServer server({grpc::StatusCode::INTERNAL, "broken"});
  for (int i = 0; i < 50; ++i) server.Call();
  EXPECT_THAT(log.LinesWith("error: call"), AllOf(SizeIs(50), testing::Each(HasSubstr("INTERNAL"))));
}

TEST(LineBudgetTest, StartsAnewEachSecond) {
  LineBudget budget(2);
  const absl::Time now = absl::Now();
  EXPECT_TRUE(budget.Take(now));
  EXPECT_TRUE(budget.Take(now));
  EXPECT_FALSE(budget.Take(now + absl::Milliseconds(999)));
  EXPECT_FALSE(budget.Take(now + absl::Milliseconds(999)));
  EXPECT_EQ(budget.LeftOut(now + absl::Milliseconds(999)), 0) << "not all are counted yet";
  EXPECT_TRUE(budget.Take(now + absl::Seconds(1)));
  EXPECT_EQ(budget.LeftOut(now + absl::Seconds(2)), 2);
  EXPECT_EQ(budget.LeftOut(now + absl::Seconds(2)), 0) << "told once";
  EXPECT_TRUE(budget.Take(now - absl::Hours(1))) << "the clock was set back";
}

}  // namespace
}  // namespace ablate
