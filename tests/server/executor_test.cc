#include "server/executor.h"

#include <atomic>
#include <string>

#include "absl/synchronization/notification.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/errors.h"
#include "tests/server/test_server.h"

namespace ablate {
namespace {

using ::testing::HasSubstr;

TEST(ExecutorTest, WhatWaitsIsBoundedInBytes) {
  absl::Notification begun, go_on;
  std::atomic<int> ran = 0;
  {
    Executor executor(1, 100);
    ASSERT_TRUE(executor
                    .Submit(1000,
                            [&] {
                              begun.Notify();
                              go_on.WaitForNotification();
                              ++ran;
                            })
                    .ok())
        << "nothing waits: any task is taken";
    begun.WaitForNotification();
    const auto count = [&ran] { ++ran; };
    EXPECT_TRUE(executor.Submit(60, count).ok());
    const absl::Status full = executor.Submit(41, count);
    EXPECT_EQ(full.code(), absl::StatusCode::kResourceExhausted);
    EXPECT_THAT(std::string(full.message()), HasSubstr("60 bytes in 1 requests"));
    const Details details = DetailsOf(ToGrpcStatus(full));
    EXPECT_EQ(details.info.reason(), "QUEUE_FULL");
    EXPECT_TRUE(details.retry.has_retry_delay());
    EXPECT_TRUE(executor.Submit(40, count).ok());
    go_on.Notify();
  }
  // The destructor runs what was taken, and only that.
  EXPECT_EQ(ran, 3);
}

TEST(ExecutorTest, WhatHasRunMakesRoom) {
  Executor executor(1, 10);
  for (int i = 0; i < 100; ++i) {
    absl::Notification done;
    ASSERT_TRUE(executor.Submit(10, [&done] { done.Notify(); }).ok()) << i;
    done.WaitForNotification();
  }
}

}  // namespace
}  // namespace ablate
