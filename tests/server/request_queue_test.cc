// Who is let in, whose turn it is, who is taken out: the queue alone, without thread or device.
#include "server/request_queue.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/errors.h"
#include "server/row_blocks.h"
#include "tests/server/test_server.h"

namespace ablate {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class FakeSink final : public ResultSink {
 public:
  absl::Status TakeBlock(ReadoutBlock /*block*/, size_t /*unit*/) override { return absl::OkStatus(); }
  absl::Status EndPrompt(int32_t /*prompt*/, const EngineUse& /*so_far*/) override { return absl::OkStatus(); }
  void Complete(absl::Status /*status*/, const RequestTiming& /*timing*/) override {}
  bool Abandoned() const override { return abandoned; }
  int64_t waiting_bytes() const override { return waiting; }
  int64_t max_waiting_bytes() const override { return max_waiting; }

  bool abandoned = false;
  int64_t waiting = 0;
  int64_t max_waiting = 1 << 30;
};

// A request whose prompts cost what `costs` says, each in `units` units, and its sink.
struct Waiting {
  explicit Waiting(std::vector<int64_t> costs, int64_t units = 1) {
    PreparedRequest prepared;
    prepared.replacements.resize(1);
    for (const int64_t cost : costs) {
      const auto prompt = static_cast<int32_t>(prepared.prompts.size());
      PreparedPrompt& added = prepared.prompts.emplace_back();
      added.token_ids = {1};
      added.read_positions = {0};
      for (int64_t u = 0; u < units; ++u) prepared.units.push_back({.prompt = prompt, .cost = cost / units});
      prepared.cost += cost;
    }
    request->prepared = std::make_shared<const PreparedRequest>(std::move(prepared));
    request->sink = sink;
  }
  std::shared_ptr<FakeSink> sink = std::make_shared<FakeSink>();
  std::shared_ptr<Request> request = std::make_shared<Request>();
};

// The batch's units in the order taken: (which request, which unit).
std::vector<std::pair<const Request*, size_t>> Take(RequestQueue& queue) {
  std::vector<std::pair<const Request*, size_t>> taken;
  for (const TakenUnit& t : queue.TakeBatch()) taken.emplace_back(t.request.get(), t.unit);
  return taken;
}

std::string ReasonOf(const absl::Status& status) {
  return DetailsOf(ToGrpcStatus(status)).info.reason();
}

TEST(RequestQueueTest, RequestsTakeTurnsPromptByPrompt) {
  RequestQueue queue({.batch_cost = 5});
  Waiting a({1, 1, 1, 1}), b({1, 1});
  queue.Put(a.request);
  queue.Put(b.request);
  const Request *ra = a.request.get(), *rb = b.request.get();
  EXPECT_THAT(Take(queue),
              ElementsAre(std::pair(ra, 0), std::pair(rb, 0), std::pair(ra, 1), std::pair(rb, 1), std::pair(ra, 2)));
  EXPECT_FALSE(queue.empty());
  queue.BatchIsDone(absl::Seconds(1));
  EXPECT_THAT(Take(queue), ElementsAre(std::pair(ra, 3)));
  EXPECT_TRUE(queue.empty());
}

// Their rows need each other: what one prompt leaves waiting is bounded by its own rows.
TEST(RequestQueueTest, APromptsUnitsStayTogether) {
  RequestQueue queue({.batch_cost = 5});
  Waiting a({4, 4}, /*units=*/2), b({1});
  queue.Put(a.request);
  queue.Put(b.request);
  const Request *ra = a.request.get(), *rb = b.request.get();
  EXPECT_THAT(Take(queue), ElementsAre(std::pair(ra, 0), std::pair(ra, 1), std::pair(rb, 0)));
  queue.BatchIsDone(absl::Seconds(1));
  EXPECT_THAT(Take(queue), ElementsAre(std::pair(ra, 2), std::pair(ra, 3)));
  EXPECT_TRUE(queue.empty());
}

TEST(RequestQueueTest, APromptDearerThanABatchRunsAlone) {
  RequestQueue queue({.batch_cost = 5});
  Waiting a({9}), b({1});
  queue.Put(a.request);
  queue.Put(b.request);
  EXPECT_THAT(Take(queue), ElementsAre(std::pair(a.request.get(), 0)));
}

TEST(RequestQueueTest, ASlowReaderIsPassedOver) {
  RequestQueue queue({.batch_cost = 100});
  Waiting slow({1, 1}), other({1, 1});
  queue.Put(slow.request);
  queue.Put(other.request);
  slow.sink->waiting = 1;
  slow.sink->max_waiting = RowBytes(0);  // one row, and something waits already
  EXPECT_TRUE(queue.HasReady());
  EXPECT_THAT(Take(queue), ElementsAre(std::pair(other.request.get(), 0), std::pair(other.request.get(), 1)));
  queue.BatchIsDone(absl::Seconds(1));
  EXPECT_FALSE(queue.HasReady());
  EXPECT_THAT(Take(queue), IsEmpty());
  // Where nothing waits, one prompt may come although it exceeds the limit.
  slow.sink->waiting = 0;
  EXPECT_TRUE(queue.HasReady());
  EXPECT_THAT(Take(queue), ElementsAre(std::pair(slow.request.get(), 0)));
}

TEST(RequestQueueTest, CountIsBounded) {
  RequestQueue queue({.max_requests = 1, .batch_cost = 5});
  Waiting a({1}), b({1});
  ASSERT_TRUE(queue.CheckRoom(*a.request).ok());
  queue.Put(a.request);
  const absl::Status full = queue.CheckRoom(*b.request);
  EXPECT_EQ(full.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ReasonOf(full), "QUEUE_FULL");
  EXPECT_THAT(std::string(full.message()), HasSubstr("1 requests are waiting (--queue-size)"));
  // A request that is taken up whole makes room.
  queue.TakeBatch();
  EXPECT_TRUE(queue.CheckRoom(*b.request).ok());
}

TEST(RequestQueueTest, CostIsBounded) {
  RequestQueue queue({.max_cost = 10, .batch_cost = 5});
  Waiting dear({50}), a({4, 4}), b({2}), c({3});
  EXPECT_TRUE(queue.CheckRoom(*dear.request).ok()) << "an empty queue takes any request";
  queue.Put(a.request);
  EXPECT_TRUE(queue.CheckRoom(*b.request).ok());
  const absl::Status full = queue.CheckRoom(*c.request);
  EXPECT_EQ(full.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(full.message()),
              HasSubstr("8 packed tokens x layers are waiting and the request costs 3, expected at most 10 together"));
  EXPECT_TRUE(DetailsOf(ToGrpcStatus(full)).retry.has_retry_delay());
  // What runs does not wait.
  queue.TakeBatch();
  EXPECT_TRUE(queue.CheckRoom(*c.request).ok());
}

// The second of two sweeps used to be refused when the first had run.
TEST(RequestQueueTest, WhatFollowsFindsRoomWithWhatGoesFirst) {
  RequestQueue queue({.max_requests = 2, .max_cost = 10, .batch_cost = 5});
  Waiting a({4}), first({2}), second({4}), c({1});
  queue.Put(a.request);
  first.request->cost_to_come = 5;
  EXPECT_EQ(queue.CheckRoom(*first.request).code(), absl::StatusCode::kResourceExhausted) << "4 + 2 + 5 > 10";
  first.request->cost_to_come = 4;
  EXPECT_TRUE(queue.CheckRoom(*first.request).ok());
  queue.Put(c.request);
  EXPECT_EQ(queue.CheckRoom(*second.request).code(), absl::StatusCode::kResourceExhausted);
  second.request->is_follow_up = true;
  EXPECT_TRUE(queue.CheckRoom(*second.request).ok()) << "full, but it was let in before";
}

TEST(RequestQueueTest, EndedRequestsComeOutWithTheirReasonAndTheirCost) {
  RequestQueue queue({.max_cost = 10, .batch_cost = 5});
  Waiting left({3}), late({3}), failed({3}), good({1});
  for (const Waiting* w : {&left, &late, &failed, &good}) queue.Put(w->request);
  left.sink->abandoned = true;
  late.request->deadline = absl::Now() - absl::Seconds(1);
  failed.request->error = absl::InternalError("broken");
  EXPECT_TRUE(queue.HasAbandoned());
  EXPECT_EQ(queue.NextDeadline(), late.request->deadline);
  EXPECT_FALSE(queue.CheckRoom(*good.request).ok());

  const auto ended = queue.TakeEnded(/*closed=*/false);
  ASSERT_THAT(ended, SizeIs(3));
  EXPECT_EQ(ended[0].request, left.request);
  EXPECT_EQ(ended[0].why.code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(ended[1].why.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(ended[2].why.code(), absl::StatusCode::kInternal);
  EXPECT_TRUE(queue.CheckRoom(*good.request).ok()) << "what they cost waits no more";
  EXPECT_THAT(Take(queue), ElementsAre(std::pair(good.request.get(), 0)));
}

// Their state belongs to the device's thread.
TEST(RequestQueueTest, OtherThreadsLeaveAloneWhatTheDeviceHasBegun) {
  RequestQueue queue({.batch_cost = 1});
  Waiting begun({1, 1}), untouched({1});
  queue.Put(begun.request);
  queue.Put(untouched.request);
  queue.TakeBatch();
  begun.sink->abandoned = untouched.sink->abandoned = true;
  auto ended = queue.TakeEndedUntouched(/*closed=*/false);
  ASSERT_THAT(ended, SizeIs(1));
  EXPECT_EQ(ended[0].request, untouched.request);
  ended = queue.TakeEnded(/*closed=*/false);
  ASSERT_THAT(ended, SizeIs(1));
  EXPECT_EQ(ended[0].request, begun.request);
}

TEST(RequestQueueTest, AClosedQueueEndsEverything) {
  RequestQueue queue({.batch_cost = 5});
  Waiting a({1});
  queue.Put(a.request);
  const auto ended = queue.TakeEnded(/*closed=*/true);
  ASSERT_THAT(ended, SizeIs(1));
  EXPECT_EQ(ended[0].why.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(ReasonOf(ended[0].why), "DRAINING");
}

TEST(RequestQueueTest, RetryDelayFollowsTheDevicesSpeed) {
  RequestQueue queue({.batch_cost = 100});
  EXPECT_EQ(queue.RetryDelay(), absl::Seconds(1)) << "nothing is known yet";
  Waiting a({100, 100, 100});
  queue.Put(a.request);
  queue.TakeBatch();
  queue.BatchIsDone(absl::Seconds(2));  // 50 a second, and 200 wait
  EXPECT_EQ(queue.RetryDelay(), absl::Seconds(4));
  queue.TakeBatch();
  EXPECT_EQ(queue.RetryDelay(), absl::Seconds(4)) << "what runs counts until it is done";
  queue.BatchIsDone(absl::Seconds(2));
  EXPECT_EQ(queue.RetryDelay(), absl::Seconds(2));
  queue.TakeBatch();
  queue.BatchIsDone(absl::Seconds(2));
  EXPECT_EQ(queue.RetryDelay(), absl::Milliseconds(100));
}

TEST(RequestQueueTest, TheFirstBatchTakesThePlaceOfTheSpeedThatWasAssumed) {
  RequestQueue queue({.batch_cost = 100, .cost_per_second = 1000});
  EXPECT_EQ(queue.cost_per_second(), 1000);
  Waiting a({100, 100});
  queue.Put(a.request);
  EXPECT_EQ(queue.RetryDelay(), absl::Milliseconds(200));
  queue.TakeBatch();
  queue.BatchIsDone(absl::Seconds(2));
  EXPECT_EQ(queue.cost_per_second(), 50);
}

// Whoever comes passes a job's batch, between two of its chunks.
TEST(RequestQueueTest, BackgroundRequestsAreNoWaitingTime) {
  RequestQueue queue({.batch_cost = 100, .cost_per_second = 100});
  Waiting job({50, 50}), scan({10});
  job.request->is_background = true;
  queue.Put(job.request);
  queue.TakeBatch();
  EXPECT_EQ(queue.WaitingTime(), absl::ZeroDuration());
  queue.Put(scan.request);
  EXPECT_EQ(queue.WaitingTime(), absl::Milliseconds(100));
  std::vector<EndedRequest> ended;
  queue.TakeBetween(/*closed=*/false, ended);
  EXPECT_EQ(queue.WaitingTime(), absl::Milliseconds(100)) << "it runs now";
}

// It is let in with the sweep that chooses its sites, and finds room.
TEST(RequestQueueTest, WhatIsToFollowIsWaitingTime) {
  RequestQueue queue({.batch_cost = 10, .cost_per_second = 100});
  Waiting chooses({10, 10});
  chooses.request->cost_to_come = 30;
  queue.Put(chooses.request);
  EXPECT_EQ(queue.WaitingTime(), absl::Milliseconds(500));
  queue.TakeBatch();
  EXPECT_EQ(queue.WaitingTime(), absl::Milliseconds(500)) << "half of it runs now";
  queue.ForgetBatch();
  EXPECT_EQ(queue.WaitingTime(), absl::Milliseconds(400));
  queue.TakeBatch();
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(queue.WaitingTime(), absl::Milliseconds(400)) << "the rest of it runs now";
  queue.ForgetBatch();
  EXPECT_EQ(queue.WaitingTime(), absl::ZeroDuration());
  EXPECT_EQ(queue.cost_per_second(), 100) << "nothing was measured";
}

// In batches of half a second at most.
TEST(RequestQueueTest, BackgroundRequestsRunWhenNothingElseCan) {
  RequestQueue queue({.batch_cost = 4});
  Waiting job({1, 1, 1, 1, 1, 1, 1, 1}), scan({1, 1});
  job.request->is_background = true;
  queue.Put(job.request);
  const Request *j = job.request.get(), *s = scan.request.get();
  // Nothing is known of the device: one prompt.
  EXPECT_THAT(Take(queue), ElementsAre(std::pair(j, 0)));
  queue.BatchIsDone(absl::Milliseconds(250));
  queue.Put(scan.request);
  EXPECT_THAT(Take(queue), ElementsAre(std::pair(s, 0), std::pair(s, 1)));
  queue.BatchIsDone(absl::Milliseconds(500));
  EXPECT_THAT(Take(queue), ElementsAre(std::pair(j, 1), std::pair(j, 2)));
}

TEST(RequestQueueTest, BackgroundRequestsNeverStarve) {
  RequestQueue queue({.batch_cost = 1, .batches_before_background = 3});
  Waiting job({1, 1}), scan({1, 1, 1, 1, 1, 1, 1, 1});
  job.request->is_background = true;
  queue.Put(job.request);
  queue.Put(scan.request);
  std::string turns;
  for (int i = 0; i < 10; ++i) {
    turns += Take(queue)[0].first == job.request.get() ? 'j' : 's';
    queue.BatchIsDone(absl::Seconds(1));
  }
  EXPECT_EQ(turns, "sssjsssjss");
}

TEST(RequestQueueTest, ForegroundRequestsPassABackgroundBatchThatRuns) {
  RequestQueue queue({.batch_cost = 5});
  Waiting job({4, 4}), scan({2}), left({1});
  job.request->is_background = true;
  queue.Put(job.request);
  EXPECT_THAT(Take(queue), ElementsAre(std::pair(job.request.get(), 0)));
  queue.Put(scan.request);
  queue.Put(left.request);
  left.sink->abandoned = true;
  job.sink->abandoned = true;
  std::vector<EndedRequest> ended;
  const auto between = queue.TakeBetween(/*closed=*/false, ended);
  ASSERT_THAT(between, SizeIs(1));
  EXPECT_EQ(between[0].request, scan.request);
  ASSERT_THAT(ended, SizeIs(1)) << "the job's batch runs";
  EXPECT_EQ(ended[0].request, left.request);
  EXPECT_THAT(queue.TakeBetween(/*closed=*/false, ended), IsEmpty());
  queue.BatchIsDone(absl::Seconds(1));
  EXPECT_EQ(queue.cost_per_second(), 2);
  queue.BatchIsDone(absl::Seconds(2));
  EXPECT_EQ(queue.cost_per_second(), 0.8 * 2 + 0.2 * 2);
}

TEST(RequestQueueTest, BackgroundRequestsFillNoQueue) {
  RequestQueue queue({.max_requests = 1, .max_cost = 10, .batch_cost = 1});
  Waiting job({1000}), another({1000}), scan({10});
  for (const Waiting* w : {&job, &another}) {
    w->request->is_background = true;
    EXPECT_TRUE(queue.CheckRoom(*w->request).ok());
    queue.Put(w->request);
  }
  EXPECT_TRUE(queue.CheckRoom(*scan.request).ok());
}

}  // namespace
}  // namespace ablate
