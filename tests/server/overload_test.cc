// Many at once: batching, a full queue, those who leave, those who are late, those who read slowly, and a failing
// engine.
#include <algorithm>
#include <chrono>
#include <memory>

#include "absl/time/clock.h"
#include "engine/device_lost.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/scan_call.h"
#include "tests/server/test_server.h"

namespace ablate {
namespace {

namespace pb = ::ablation::v1;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::UnorderedElementsAre;

const std::vector<int32_t> kA = {'a'}, kB = {'b'}, kC = {'c'};

// Until `done` or 10 s.
template <typename Done>
bool Eventually(const Done& done) {
  for (int i = 0; i < 1000; ++i) {
    if (done()) return true;
    absl::SleepFor(absl::Milliseconds(10));
  }
  return false;
}

// Where as many calls are open as may be, a further one gets in only when the server has noticed that one ended.
bool ServerNoticed(TestServer& server) {
  return Eventually([&server] {
    grpc::ClientContext context;
    pb::DescribeModelResponse response;
    return server.stub().DescribeModel(&context, {}, &response).ok();
  });
}

// Occupies the paused device with the prompt `x`.
class Occupied {
 public:
  explicit Occupied(TestServer& server) : call_((server.device().Pause(), server.stub()), ScanRequest("x")) {
    EXPECT_TRUE(server.device().WaitForRuns(1));
  }
  ScanCall& call() { return call_; }

 private:
  ScanCall call_;
};

TEST(OverloadTest, RequestsThatWaitShareARun) {
  TestServer server({.queue_size = 2});
  server.Serve();
  Occupied occupied(server);
  ScanCall a(server.stub(), ScanRequest("a")), b(server.stub(), ScanRequest("b"));
  ASSERT_TRUE(a.Admitted() && b.Admitted());
  server.device().Resume();
  EXPECT_TRUE(a.Wait().status.ok());
  EXPECT_TRUE(b.Wait().status.ok());
  const auto runs = server.device().runs();
  ASSERT_EQ(runs.size(), 2U);
  EXPECT_THAT(runs[1], UnorderedElementsAre(kA, kB));
  EXPECT_EQ(a.Wait().rows(), 7);
}

TEST(OverloadTest, FullQueueSaysWhenToComeBack) {
  TestServer server({.queue_size = 1});
  server.Serve();
  Occupied occupied(server);
  ScanCall a(server.stub(), ScanRequest("a"));
  ASSERT_TRUE(a.Admitted());
  const ScanResult refused = RunScan(server.stub(), ScanRequest("b"));
  EXPECT_EQ(refused.status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_TRUE(refused.responses.empty());
  EXPECT_THAT(refused.status.error_message(), HasSubstr("the queue is full: 1 requests are waiting"));
  const Details details = DetailsOf(refused.status);
  EXPECT_EQ(details.info.reason(), "QUEUE_FULL");
  EXPECT_GE(details.retry.retry_delay().seconds() * 1000000000 + details.retry.retry_delay().nanos(), 100'000'000);
  server.device().Resume();
  EXPECT_TRUE(a.Wait().status.ok());
}

TEST(OverloadTest, CancelledBeforeTheDeviceIsDropped) {
  TestServer server({.queue_size = 1});
  server.Serve();
  Occupied occupied(server);
  ScanCall a(server.stub(), ScanRequest("a"));
  ASSERT_TRUE(a.Admitted());
  a.Cancel();
  EXPECT_EQ(a.Wait().status.error_code(), grpc::StatusCode::CANCELLED);
  // Its place is free again while the device still runs.
  std::unique_ptr<ScanCall> c;
  ASSERT_TRUE(Eventually([&] {
    c = std::make_unique<ScanCall>(server.stub(), ScanRequest("c"));
    return c->Admitted();
  }));
  server.device().Resume();
  EXPECT_TRUE(c->Wait().status.ok());
  for (const auto& run : server.device().runs()) EXPECT_THAT(run, Not(Contains(kA)));
}

TEST(OverloadTest, ExpiredBeforeTheDeviceIsDropped) {
  TestServer server({.max_calls = 2});
  server.Serve();
  Occupied occupied(server);
  const ScanResult late = RunScan(server.stub(), ScanRequest("a"), std::chrono::milliseconds(150));
  EXPECT_EQ(late.status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  ASSERT_TRUE(ServerNoticed(server));
  server.device().Resume();
  EXPECT_TRUE(occupied.call().Wait().status.ok());
  ASSERT_TRUE(RunScan(server.stub(), ScanRequest("c")).status.ok());
  for (const auto& run : server.device().runs()) EXPECT_THAT(run, Not(Contains(kA)));
}

TEST(OverloadTest, QueueIsBoundedByCostToo) {
  TestServer server({.max_queue_cost = 60});
  server.Serve();
  Occupied occupied(server);
  ScanCall a(server.stub(), ScanRequest("a"));  // 14 packed tokens x layers, and 13 for 7 reads
  ASSERT_TRUE(a.Admitted());
  ScanCall b(server.stub(), ScanRequest("b"));
  ASSERT_TRUE(b.Admitted());
  const ScanResult refused = RunScan(server.stub(), ScanRequest("c"));
  EXPECT_EQ(refused.status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(refused.status.error_message(), HasSubstr("54 packed tokens x layers are waiting"));
  EXPECT_EQ(DetailsOf(refused.status).info.reason(), "QUEUE_FULL");
  server.device().Resume();
  EXPECT_TRUE(a.Wait().status.ok());
  EXPECT_TRUE(b.Wait().status.ok());
}

TEST(OverloadTest, CancelledInTheMiddleStopsAtTheNextBatch) {
  TestServer server({.max_calls = 1});
  server.Serve(54);  // Two one-token prompts a batch.
  server.device().Allow(2);
  ScanCall call(server.stub(), ManyPrompts(100));
  ASSERT_TRUE(server.device().WaitForRuns(3));
  call.Cancel();
  EXPECT_EQ(call.Wait().status.error_code(), grpc::StatusCode::CANCELLED);
  ASSERT_TRUE(ServerNoticed(server));
  server.device().Resume();
  ASSERT_TRUE(RunScan(server.stub(), ScanRequest("c")).status.ok());
  // Two that passed, the one that was under way, and the other request's.
  EXPECT_EQ(server.device().runs().size(), 4U);
}

// Whoever comes in the middle of it is answered behind the batch under way and one more: nothing else runs here.
TEST(OverloadTest, HugeRequestDoesNotStarveASmallOne) {
  TestServer server({.queue_size = 2});
  server.Serve(54);  // Two one-token prompts a batch.
  constexpr int kPrompts = 10'000;
  server.device().Allow(kPrompts / 4);
  ScanCall huge(server.stub(), ManyPrompts(kPrompts));
  ASSERT_TRUE(server.device().WaitForRuns(kPrompts / 4 + 1));
  ScanCall small(server.stub(), ScanRequest("a"));
  ASSERT_TRUE(small.Admitted());
  server.device().Allow(2);
  EXPECT_TRUE(small.Wait().status.ok()) << small.Wait().status.error_message();
  EXPECT_EQ(small.Wait().rows(), 7);
  server.device().Resume();
  EXPECT_TRUE(huge.Wait().status.ok()) << huge.Wait().status.error_message();
  EXPECT_EQ(huge.Wait().rows(), 7 * kPrompts);
}

TEST(OverloadTest, SlowReaderHoldsUpNobodyAndIsNotBufferedWithoutBound) {
  TestServer server({.max_stream_bytes = 64 * 1024});
  server.Serve(14);  // One prompt a batch.
  grpc::ClientContext context;
  constexpr int kPrompts = 2000;
  // 7 rows with 100 tokens each: some 40 KiB a prompt on the wire, far more in all than sockets and windows hold.
  const auto reader = server.stub().Ablate(&context, ManyPrompts(kPrompts, 100));
  pb::AblateResponse response;
  ASSERT_TRUE(reader->Read(&response));

  // It stops where the buffers are full.
  size_t before = 0;
  ASSERT_TRUE(Eventually([&] {
    const size_t now = server.device().runs().size();
    const bool rests = now > 0 && now == before;
    before = now;
    absl::SleepFor(absl::Milliseconds(200));
    return rests;
  }));
  EXPECT_LT(server.device().runs().size(), size_t{kPrompts} - 100);
  constexpr absl::Duration kRest = absl::Milliseconds(250);
  absl::SleepFor(kRest);

  const auto stub = pb::AblationService::NewStub(server.NewChannel());
  for (int i = 0; i < 20; ++i) {
    const ScanResult other = RunScan(*stub, ScanRequest("a"));
    ASSERT_TRUE(other.status.ok()) << other.status.error_message();
  }

  // And goes on to the end once it is read.
  int64_t rows = 0;
  while (reader->Read(&response)) rows += response.row_block().variant_size();
  EXPECT_TRUE(reader->Finish().ok());
  ASSERT_TRUE(response.has_completion());
  EXPECT_EQ(rows, kPrompts * 7);
  // The completion was made before what waited was out, and knows of it all the same.
  EXPECT_GT(absl::Nanoseconds(response.completion().timing().send_ns()), kRest);
}

// Tokenising 100,000 prompts takes long; nobody may be made to wait for one who has left.
TEST(OverloadTest, CancelledOrExpiredWhileItIsPreparedIsDropped) {
  for (const bool is_late : {false, true}) {
    TestServer server({.max_calls = 1});
    server.Serve();
    server.device().SlowTexts(absl::Milliseconds(20));
    auto request = ManyPrompts(500);
    for (auto& prompt : *request.mutable_prompts()) prompt.set_text("ab");
    ScanCall call(server.stub(), request, is_late ? std::chrono::milliseconds(200) : std::chrono::seconds(120));
    ASSERT_TRUE(Eventually([&server] { return server.device().texts() > 2; }));
    if (!is_late) call.Cancel();
    EXPECT_EQ(call.Wait().status.error_code(),
              is_late ? grpc::StatusCode::DEADLINE_EXCEEDED : grpc::StatusCode::CANCELLED);
    ASSERT_TRUE(ServerNoticed(server));
    EXPECT_LT(server.device().texts(), 500);
    EXPECT_TRUE(server.device().runs().empty());
  }
}

// Without a deadline it would keep its place for ever.
TEST(OverloadTest, AReaderThatTakesNothingLosesItsPlace) {
  TestServer server({.max_stream_bytes = 64 * 1024, .max_write_stall = absl::Milliseconds(300), .max_calls = 1});
  server.Serve(14);
  grpc::ClientContext context;
  const auto reader = server.stub().Ablate(&context, ManyPrompts(2000, 100));
  pb::AblateResponse response;
  ASSERT_TRUE(reader->Read(&response));
  const auto other = pb::AblationService::NewStub(server.NewChannel());
  ASSERT_TRUE(Eventually([&other] { return RunScan(*other, ScanRequest("a")).status.ok(); }));
  bool complete = false;
  while (reader->Read(&response)) complete = complete || response.has_completion();
  EXPECT_FALSE(complete);
  const grpc::Status status = reader->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::ABORTED);
  EXPECT_THAT(status.error_message(), HasSubstr("took no results for 300ms (--max-write-stall)"));
}

// It may take long as long as it takes something.
TEST(OverloadTest, AReaderThatIsMerelySlowKeepsItsPlace) {
  TestServer server({.max_stream_bytes = 64 * 1024, .max_write_stall = absl::Seconds(1)});
  server.Serve(14);
  grpc::ClientContext context;
  const auto reader = server.stub().Ablate(&context, ManyPrompts(150, 100));
  pb::AblateResponse response;
  const absl::Time begin = absl::Now();
  while (reader->Read(&response)) absl::SleepFor(absl::Milliseconds(20));
  EXPECT_GT(absl::Now() - begin, absl::Seconds(2));
  EXPECT_TRUE(reader->Finish().ok());
}

TEST(OverloadTest, EngineErrorFailsItsRequest) {
  TestServer server;
  server.Serve();
  server.device().FailWhere([](const Scan& scan) { return scan.token_ids == kB; });
  const ScanResult failed = RunScan(server.stub(), ScanRequest("b"));
  EXPECT_EQ(failed.status.error_code(), grpc::StatusCode::INTERNAL);
  EXPECT_EQ(failed.status.error_message(), "the engine failed: no such kernel");
  EXPECT_EQ(DetailsOf(failed.status).info.reason(), "ENGINE_FAILED");
  EXPECT_TRUE(RunScan(server.stub(), ScanRequest("a")).status.ok());
}

TEST(OverloadTest, OutOfMemoryIsAnErrorToTryAgainAfter) {
  TestServer server;
  server.Serve();
  server.device().FailWhere([](const Scan& scan) { return scan.token_ids == kB; },
                            absl::ResourceExhaustedError("cpu is out of memory"));
  const ScanResult failed = RunScan(server.stub(), ScanRequest("b"));
  EXPECT_EQ(failed.status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(failed.status.error_message(), "the engine failed: cpu is out of memory");
  EXPECT_EQ(DetailsOf(failed.status).info.reason(), "OUT_OF_MEMORY");
  EXPECT_GT(DetailsOf(failed.status).retry.retry_delay().seconds(), 0);
}

TEST(OverloadTest, EngineErrorSparesItsNeighbours) {
  TestServer server({.queue_size = 3});
  server.Serve();
  server.device().FailWhere([](const Scan& scan) { return scan.token_ids == kB; });
  Occupied occupied(server);
  ScanCall a(server.stub(), ScanRequest("a")), b(server.stub(), ScanRequest("b")), c(server.stub(), ScanRequest("c"));
  ASSERT_TRUE(a.Admitted() && b.Admitted() && c.Admitted());
  server.device().Resume();
  EXPECT_TRUE(a.Wait().status.ok()) << a.Wait().status.error_message();
  EXPECT_EQ(b.Wait().status.error_code(), grpc::StatusCode::INTERNAL);
  EXPECT_TRUE(c.Wait().status.ok()) << c.Wait().status.error_message();
  EXPECT_EQ(a.Wait().rows(), 7);
  EXPECT_THAT(server.device().runs().at(1), UnorderedElementsAre(kA, kB, kC));
}

// In the batch, and behind it: nothing runs on the device any more.
TEST(OverloadTest, ALostDeviceFailsAll) {
  TestServer server({.queue_size = 3});
  server.Serve();
  server.device().FailWhere([](const Scan& scan) { return scan.token_ids == kB; }, DeviceLostError("cuda:0 is lost"));
  Occupied occupied(server);
  ScanCall a(server.stub(), ScanRequest("a")), b(server.stub(), ScanRequest("b")), c(server.stub(), ScanRequest("c"));
  ASSERT_TRUE(a.Admitted() && b.Admitted() && c.Admitted());
  server.device().Resume();
  for (ScanCall* call : {&a, &b, &c}) {
    EXPECT_EQ(call->Wait().status.error_code(), grpc::StatusCode::UNAVAILABLE);
    EXPECT_EQ(call->Wait().status.error_message(), "the server stops: cuda:0 is lost");
    EXPECT_EQ(DetailsOf(call->Wait().status).info.reason(), "DEVICE_LOST");
    EXPECT_GT(DetailsOf(call->Wait().status).retry.retry_delay().seconds(), 0);
  }
  EXPECT_EQ(RunScan(server.stub(), ScanRequest("a")).status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(server.device().runs().size(), 2U);
}

TEST(OverloadTest, ALargeRequestThatFailsEndsOnce) {
  TestServer server;
  server.Serve(54);
  server.device().FailWhere([](const Scan& scan) { return scan.token_ids == kA; });
  const ScanResult failed = RunScan(server.stub(), ManyPrompts(200));
  EXPECT_EQ(failed.status.error_code(), grpc::StatusCode::INTERNAL);
  EXPECT_LT(server.device().runs().size(), 60U);
}

TEST(OverloadTest, CallsAreBounded) {
  TestServer server({.max_calls = 1});
  server.Serve();
  Occupied occupied(server);
  const ScanResult refused = RunScan(server.stub(), ScanRequest("a"));
  EXPECT_EQ(refused.status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(DetailsOf(refused.status).info.reason(), "TOO_MANY_CALLS");
  server.device().Resume();
  EXPECT_TRUE(occupied.call().Wait().status.ok());
}

}  // namespace
}  // namespace ablate
