// What may run between two chunks of a job's prompt.
#include <memory>
#include <string>
#include <vector>

#include "absl/synchronization/notification.h"
#include "gtest/gtest.h"
#include "tests/server/jobs/job_calls.h"

namespace ablate {
namespace {

namespace pb = ::ablation::v1;

// A prompt swept over all pairs held the device for as long as it took.
TEST(JobChunksTest, AScanGoesThroughBetweenTwoChunksOfAPrompt) {
  JobServer server;
  server.device().SetBlocks({.rows = 1});
  absl::Notification runs, waits, passed;
  int n = 0;
  server.device().SetBetweenBlocks([&] {
    ++n;
    if (n == 1) {
      runs.Notify();
      waits.WaitForNotification();
    } else if (n == 3) {
      EXPECT_TRUE(passed.WaitForNotificationWithTimeout(absl::Seconds(10)));
    }
  });
  const std::string id = server.Submit(ScanRequest("a")).answer.id();
  runs.WaitForNotification();
  ScanCall scan(server.stub(), ScanRequest("b"));
  ASSERT_TRUE(scan.Admitted());
  server.device().SetBlocks({});
  waits.Notify();
  EXPECT_TRUE(scan.Wait().status.ok());
  passed.Notify();
  const JobStream stream = server.Stream(id);
  EXPECT_EQ(stream.job.state(), pb::JOB_STATE_SUCCEEDED);
  EXPECT_EQ(stream.rows(), 7);
}

// It ran all batches that waited before each of the chunks that were skipped, and whoever stopped the job waited.
TEST(JobChunksTest, WhatIsCancelledBetweenTwoChunksLetsNobodyThrough) {
  JobServer server(0, {}, /*max_packed_tokens=*/14);
  server.device().SetBlocks({.rows = 1});
  absl::Notification runs, waits;
  server.device().SetBetweenBlocks([&] {
    if (runs.HasBeenNotified()) return;
    runs.Notify();
    waits.WaitForNotification();
  });
  const std::string id = server.Submit(ScanRequest("a")).answer.id();
  runs.WaitForNotification();
  server.device().SetBlocks({});
  std::vector<std::unique_ptr<ScanCall>> scans;
  for (int i = 0; i < 10; ++i) {
    scans.push_back(std::make_unique<ScanCall>(server.stub(), ManyPrompts(4)));
    ASSERT_TRUE(scans.back()->Admitted());
  }
  ASSERT_EQ(server.Cancel(id).answer.state(), pb::JOB_STATE_CANCELLED);
  // Another one's first run comes when the job's thread has been let go.
  const std::string next = server.Submit(ScanRequest("b")).answer.id();
  server.device().Allow(1);
  waits.Notify();
  ASSERT_TRUE(server.device().WaitForRuns(3));
  EXPECT_TRUE(server.Reaches(next, pb::JOB_STATE_RUNNING));
  server.device().Resume();
  for (const auto& scan : scans) EXPECT_TRUE(scan->Wait().status.ok());
}

}  // namespace
}  // namespace ablate
