// ExplainPlan under load: what it refuses, whom it holds up, and when it stops.
#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/explain.h"
#include "tests/server/prepare_call.h"
#include "tests/server/scan_call.h"
#include "tests/server/test_server.h"

namespace ablate {
namespace {

namespace pb = ::ablation::v1;
using ::testing::HasSubstr;
using ::testing::SizeIs;

pb::AblateRequest TwoTokens() {
  return AnsweredPrompts(1, [](int) { return std::vector<int32_t>{7, 100}; });
}

// It would be planned for hours. Where two sweeps run it is both that count.
TEST(ExplainLoadTest, WhatIsTenTimesTooDearIsNotPlanned) {
  const int64_t cost = 2 * 7 * 2 + FakeEngine::ReadCost(7);
  pb::AblateRequest pairs = TwoTokens();
  pairs.mutable_sweep()->mutable_pairs()->set_strongest(2);
  const int64_t both = cost + 2 * 4 * 2 + FakeEngine::ReadCost(4);
  for (const auto& [request, costs] : {std::pair(TwoTokens(), cost), std::pair(pairs, both)}) {
    const int64_t enough = (costs + 9) / 10;
    TestServer server({.limits = {.cost = enough}}), smaller({.limits = {.cost = enough - 1}});
    server.Serve();
    smaller.Serve();
    EXPECT_EQ(ExplainScan(server.stub(), request).plan.cost(), costs);
    const grpc::Status status = ExplainScan(smaller.stub(), request).status;
    EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
    EXPECT_THAT(status.error_message(), HasSubstr("ten times what one request may cost (--max-request-cost)"));
    EXPECT_EQ(DetailsOf(status).info.reason(), "REQUEST_TOO_COSTLY");
    EXPECT_THAT(DetailsOf(status).quota.violations(), SizeIs(1));
  }
}

// However long it takes: it once had the threads that every call needs.
TEST(ExplainLoadTest, HoldsUpOtherExplanationsOnly) {
  TestServer server({.max_message_bytes = 4096});
  server.Serve();
  absl::Notification go_on;
  std::atomic<bool> begun = false;
  server.device().SetCost([&](const Scan& /*scan*/) -> int64_t {
    begun = true;
    go_on.WaitForNotification();
    return 1;
  });
  pb::AblateRequest large = TwoTokens();
  large.mutable_prompts(0)->set_template_(std::string(3500, 't'));
  std::atomic<int> refused = 0, explained = 0;
  std::vector<std::thread> calls;
  const auto explain = [&] {
    const grpc::Status status = ExplainScan(server.stub(), large).status;
    ++(status.ok() ? explained : refused);
    if (status.ok()) return;
    EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
    EXPECT_EQ(DetailsOf(status).info.reason(), "QUEUE_FULL");
    EXPECT_TRUE(DetailsOf(status).retry.has_retry_delay());
  };
  calls.emplace_back(explain);
  for (int i = 0; i < 1000 && !begun; ++i) absl::SleepFor(absl::Milliseconds(10));
  for (int i = 0; i < 3; ++i) calls.emplace_back(explain);
  // Of three that would wait two have room.
  for (int i = 0; i < 1000 && refused == 0; ++i) absl::SleepFor(absl::Milliseconds(10));
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
  pb::TokenizeRequest text;
  text.add_texts("a");
  pb::TokenizeResponse tokens;
  EXPECT_TRUE(server.stub().Tokenize(&context, text, &tokens).ok());
  go_on.Notify();
  for (std::thread& call : calls) call.join();
  EXPECT_EQ(refused, 1);
  EXPECT_EQ(explained, 3);
}

TEST(ExplainLoadTest, WhoLeavesIsNotWorkedFor) {
  TestServer server;
  server.Serve();
  server.device().SlowTexts(absl::Milliseconds(20));
  pb::ExplainPlanRequest request;
  for (int i = 0; i < 1000; ++i) request.mutable_request()->add_prompts()->set_text("a");
  grpc::ClientContext context;
  std::atomic<bool> is_over = false;
  std::thread leaves([&] {
    while (server.device().texts() == 0 && !is_over) absl::SleepFor(absl::Milliseconds(1));
    context.TryCancel();
  });
  pb::ExplainPlanResponse response;
  const grpc::Status status = server.stub().ExplainPlan(&context, request, &response);
  is_over = true;
  leaves.join();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::CANCELLED);
  // Drains: what has not noticed by then is waited for.
  server.server().Drain(absl::Seconds(10));
  EXPECT_LT(server.device().texts(), 500);
}

// ExplainPlan without a server.
struct Unserved {
  Unserved() {
    backend.engine = &engine;
    backend.scheduler = &scheduler;
    backend.max_stream_bytes = 1;
  }
  absl::Status Explain(const pb::AblateRequest& scan, const std::function<absl::Status()>& go_on) const {
    pb::ExplainPlanRequest request;
    *request.mutable_request() = scan;
    return ExplainPlan("", request, backend, go_on).status();
  }

  FakeEngine engine{std::make_shared<FakeDevice>(), 1};
  Scheduler scheduler{&engine, {.queue = {.batch_cost = 1}}};
  Backend backend;
};

// Planning is cancelled between batches too.
TEST(ExplainLoadTest, GoesOnOnlyWhereItMay) {
  const Unserved unserved;
  const pb::AblateRequest request = ManyPrompts(10);
  int most = 0;
  ASSERT_TRUE(unserved.Explain(request, [&] { return (++most, absl::OkStatus()); }).ok());
  // Each prompt, and each batch.
  EXPECT_GE(most, 10 + 10);
  for (int last = 1; last <= most; ++last) {
    int asked = 0;
    const absl::Status status = unserved.Explain(
        request, [&] { return ++asked == last ? absl::CancelledError("the client has left") : absl::OkStatus(); });
    EXPECT_EQ(status.code(), absl::StatusCode::kCancelled) << last;
    EXPECT_EQ(asked, last);
  }
}

// A copy of the means that it names, as every request's.
TEST(ExplainLoadTest, ItsReplacementsCountAmongThoseOfAllRequests) {
  const Unserved unserved;
  pb::AblateRequest request = TwoTokens();
  request.add_replacements()->mutable_constant()->set_scalar(1);
  const auto go_on = [] { return absl::OkStatus(); };
  EXPECT_TRUE(unserved.Explain(request, go_on).ok());
  const auto all = unserved.backend.tables->Take(kMaxTableValuesTogether);
  ASSERT_TRUE(all.ok());
  const absl::Status status = unserved.Explain(request, go_on);
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ReasonOf(status), "QUEUE_FULL");
  EXPECT_TRUE(unserved.Explain(TwoTokens(), go_on).ok()) << "zeros need no table";
}

}  // namespace
}  // namespace ablate
