#include "client/cpp/cli/timing_text.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ablate::cli {
namespace {

using ::testing::ElementsAre;

ablation::v1::Completion Completed() {
  ablation::v1::Completion completion;
  completion.set_rows(145);
  ablation::v1::Timing& timing = *completion.mutable_timing();
  timing.set_queue_ns(10'000'000);
  timing.set_forward_ns(1'400'000'000);
  timing.set_total_ns(1'500'000'000);
  timing.set_forward_passes(2);
  timing.set_plan_ns(2'000'000);
  timing.set_readout_ns(300'000'000);
  timing.set_send_ns(4'000'000);
  timing.set_peak_bytes(int64_t{3} << 29);
  return completion;
}

TEST(TimingTextTest, TellsWhereTheTimeWent) {
  EXPECT_THAT(TimingLines(Completed()),
              ElementsAre("145 rows in 1.500 s (waited 0.010 s, forward 1.400 s in 2 passes)",
                          "plan 0.002 s, readout 0.300 s (of forward), send 0.004 s, peak 1.5 GiB"));
}

TEST(TimingTextTest, OfAJobNothingIsSentAtItsEnd) {
  ablation::v1::Completion job = Completed();
  job.mutable_timing()->clear_send_ns();
  EXPECT_EQ(TimingLines(job).at(1), "plan 0.002 s, readout 0.300 s (of forward), peak 1.5 GiB");
}

TEST(TimingTextTest, HoursAreHours) {
  ablation::v1::Completion job = Completed();
  job.mutable_timing()->set_total_ns(int64_t{7'325'600'000'000});
  job.mutable_timing()->set_forward_ns(int64_t{7'200'000'000'000});
  EXPECT_EQ(TimingLines(job).at(0), "145 rows in 2h2m5s (waited 0.010 s, forward 2h in 2 passes)");
}

TEST(TimingTextTest, WhatIsNotToldIsNotShown) {
  ablation::v1::Completion completion = Completed();
  completion.mutable_timing()->clear_plan_ns();
  completion.mutable_timing()->set_forward_passes(1);
  EXPECT_THAT(TimingLines(completion), ElementsAre("145 rows in 1.500 s (waited 0.010 s, forward 1.400 s in 1 pass)"));
  completion.mutable_timing()->clear_forward_passes();
  EXPECT_THAT(TimingLines(completion), ElementsAre("145 rows in 1.500 s (waited 0.010 s)"));
  completion.clear_timing();
  EXPECT_THAT(TimingLines(completion), ElementsAre("145 rows"));
}

}  // namespace
}  // namespace ablate::cli
