// What the scheduler measures of requests, without a server.
#include "server/scheduler.h"

#include <memory>
#include <utility>

#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "gtest/gtest.h"
#include "tests/server/prepare_call.h"
#include "tests/server/scan_call.h"

namespace ablate {
namespace {

// Takes `delay` for each block, refuses them from the block `refused` on, and keeps how the request ended.
class TestSink final : public ResultSink {
 public:
  TestSink(absl::Duration delay, int refused) : delay_(delay), refused_(refused) {}

  absl::Status TakeBlock(ReadoutBlock /*block*/, size_t /*unit*/) override {
    absl::SleepFor(delay_);
    return blocks_++ == refused_ ? absl::InternalError("no more") : absl::OkStatus();
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
  const int refused_;
  int blocks_ = 0;
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
  const auto device = std::make_shared<FakeDevice>();
  FakeEngine engine(device);
  Scheduler scheduler(&engine, {.queue = {.batch_cost = 100}});
  const auto job = std::make_shared<TestSink>(absl::ZeroDuration(), 1), scan = std::make_shared<TestSink>(kOther, -1);
  // Seven rows in two blocks; between them the scan comes.
  device->SetBlocks({.rows = 4});
  bool came = false;
  device->SetBetweenBlocks([&] {
    if (std::exchange(came, true)) return;
    EXPECT_TRUE(scheduler.Submit(RequestFor(scan, /*is_background=*/false)).ok());
  });
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
