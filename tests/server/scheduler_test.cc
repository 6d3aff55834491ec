// What the scheduler measures of requests, without a server.
#include "server/scheduler.h"

#include <functional>
#include <memory>
#include <utility>

#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "gtest/gtest.h"
#include "tests/server/prepare_call.h"
#include "tests/server/scan_call.h"

namespace ablate {
namespace {

// Breaks in the middle of a job's run, between two chunks, where others go through that `come` has brought.
class BreakingEngine final : public FakeEngine {
 public:
  BreakingEngine() : FakeEngine(std::make_shared<FakeDevice>()) {}

  absl::StatusOr<RunStats> Run(absl::Span<const Scan> scans, const BlockSink& sink) override {
    if (!scans.front().between_chunks) return FakeEngine::Run(scans, sink);
    come();
    scans.front().between_chunks();
    return absl::InternalError("it broke");
  }

  std::function<void()> come;
};

// Takes `delay` for each block, and keeps how the request ended.
class TestSink final : public ResultSink {
 public:
  explicit TestSink(absl::Duration delay) : delay_(delay) {}

  absl::Status TakeBlock(ReadoutBlock /*block*/, size_t /*unit*/) override {
    absl::SleepFor(delay_);
    return absl::OkStatus();
  }
  absl::Status EndPrompt(int32_t /*prompt*/, const EngineUse& /*so_far*/) override { return absl::OkStatus(); }
  void Complete(absl::Status end, const RequestTiming& measured) override {
    status = std::move(end);
    timing = measured;
    done.Notify();
  }
  bool Abandoned() const override { return false; }
  int64_t waiting_bytes() const override { return 0; }
  int64_t max_waiting_bytes() const override { return 1 << 30; }

  absl::Notification done;
  // Once `done`.
  absl::Status status;
  RequestTiming timing;

 private:
  const absl::Duration delay_;
};

std::shared_ptr<Request> RequestFor(const std::shared_ptr<TestSink>& sink, bool is_background) {
  auto prepared = PrepareFake(ScanRequest("a"));
  EXPECT_TRUE(prepared.ok()) << prepared.status();
  auto request = std::make_shared<Request>();
  request->prepared = std::make_shared<const PreparedRequest>(*std::move(prepared));
  request->sink = sink;
  request->is_background = is_background;
  return request;
}

// A job's times once held those of the scans that ran between its chunks.
TEST(SchedulerTest, WhatGoesThroughAFailedRunIsNotItsTime) {
  constexpr absl::Duration kOther = absl::Milliseconds(500);
  BreakingEngine engine;
  Scheduler scheduler(&engine, {.queue = {.batch_cost = 100}});
  const auto job = std::make_shared<TestSink>(absl::ZeroDuration()), scan = std::make_shared<TestSink>(kOther);
  engine.come = [&] { EXPECT_TRUE(scheduler.Submit(RequestFor(scan, /*is_background=*/false)).ok()); };
  ASSERT_TRUE(scheduler.Submit(RequestFor(job, /*is_background=*/true)).ok());
  job->done.WaitForNotification();
  ASSERT_TRUE(scan->done.HasBeenNotified());
  EXPECT_TRUE(scan->status.ok()) << scan->status;
  EXPECT_EQ(job->status.code(), absl::StatusCode::kInternal);
  EXPECT_GT(job->timing.use.forward_ns, 0);
  EXPECT_LT(absl::Nanoseconds(job->timing.use.forward_ns), kOther);
}

}  // namespace
}  // namespace ablate
