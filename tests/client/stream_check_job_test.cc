// StreamCheck over the results of stored jobs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>
#include <vector>

#include "client/cpp/stream_check.h"
#include "tests/client/fixtures.h"

namespace ablate::client {
namespace {

namespace v1 = ::ablation::v1;
using ::testing::HasSubstr;

class StreamCheckJobTest : public ::testing::Test {
 protected:
  StreamCheckJobTest() {
    job_.set_n_prompts(3);
    job_.set_state(v1::JOB_STATE_SUCCEEDED);
  }

  void Skip(int prompt) {
    job_.set_state(v1::JOB_STATE_PARTIAL);
    job_.add_skipped_prompts()->set_prompt_index(prompt);
  }
  // The head, the rows of `prompts`, and a completion that counts them where `completion`.
  std::vector<v1::AblateResponse> Stream(const std::vector<int>& prompts, bool completion = true) {
    auto stream = testing::HeadMessages(manifest_);
    for (const int p : prompts) {
      *stream.emplace_back().mutable_row_block() = testing::MakeBlock(manifest_, testing::RowsOf(manifest_, p));
      if (manifest_.head.readout().likelihood()) {
        *stream.emplace_back().mutable_likelihood_block() = testing::MakeLikelihood(manifest_, p);
      }
    }
    if (completion) stream.emplace_back().mutable_completion()->set_rows(5 * static_cast<int64_t>(prompts.size()));
    return stream;
  }
  absl::Status Check(const std::vector<v1::AblateResponse>& stream, bool from_start = true) const {
    StreamCheck check(job_, from_start);
    for (const auto& message : stream) {
      if (auto status = check.Take(message); !status.ok()) return status;
    }
    return check.EndOfJob(job_);
  }

  v1::Job job_;
  ScanManifest manifest_ = testing::MakeManifest(3);
};

TEST_F(StreamCheckJobTest, AJobThatSucceededIsWhole) {
  EXPECT_EQ(Check(Stream({0, 2, 1})), absl::OkStatus());
  EXPECT_THAT(Check(Stream({0, 1})).message(), HasSubstr("0 rows of prompt 2, expected 5"));
  EXPECT_EQ(Check(Stream({0, 1, 2}, false)).code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(Check(Stream({0, 1, 2, 1})).message(), HasSubstr("came twice"));
}

TEST_F(StreamCheckJobTest, APartialOneLacksWhatWasSkippedAndNothingElse) {
  Skip(1);
  EXPECT_EQ(Check(Stream({0, 2})), absl::OkStatus());
  EXPECT_THAT(Check(Stream({0})).message(), HasSubstr("0 rows of prompt 2, expected 5"));
  EXPECT_THAT(Check(Stream({0, 1, 2})).message(), HasSubstr("5 rows of prompt 1, expected 0: the job says"));
  auto miscounted = Stream({0, 2});
  miscounted.back().mutable_completion()->set_rows(15);
  EXPECT_THAT(Check(miscounted).message(), HasSubstr("counts 15 rows, 10 came"));
}

TEST_F(StreamCheckJobTest, TheStateAndTheSkippedPromptsMustAgree) {
  job_.set_state(v1::JOB_STATE_PARTIAL);
  EXPECT_THAT(Check(Stream({0, 1, 2})).message(), HasSubstr("said to be partial"));
  Skip(1);
  job_.set_state(v1::JOB_STATE_SUCCEEDED);
  EXPECT_THAT(Check(Stream({0, 2})).message(), HasSubstr("said to be whole"));
}

TEST_F(StreamCheckJobTest, AJobThatDidNotSucceedHasNoCompletion) {
  for (const auto state : {v1::JOB_STATE_FAILED, v1::JOB_STATE_CANCELLED, v1::JOB_STATE_RUNNING}) {
    job_.set_state(state);
    EXPECT_EQ(Check(Stream({1}, false)), absl::OkStatus());
    EXPECT_EQ(Check({}), absl::OkStatus());
    EXPECT_THAT(Check(Stream({1})).message(), HasSubstr("did not succeed"));
  }
}

TEST_F(StreamCheckJobTest, TheManifestTellsWhatElseMustCome) {
  manifest_.head.mutable_readout()->set_likelihood(true);
  EXPECT_EQ(Check(Stream({0, 1, 2})), absl::OkStatus());
  auto stream = Stream({0, 1, 2});
  // Of the last prompt.
  stream.erase(stream.end() - 2);
  EXPECT_THAT(Check(stream).message(), HasSubstr("0 likelihoods of prompt 2, expected 5"));
}

TEST_F(StreamCheckJobTest, ASummaryMayComeAndIsThenWhole) {
  Skip(1);
  auto stream = Stream({0, 2});
  const auto completion = stream.back();
  *stream.back().mutable_summary_head() = testing::MakeSummaryHead(manifest_);
  const size_t at = stream.size();
  *stream.emplace_back().mutable_summary_block() = testing::MakeSummary(manifest_);
  stream.push_back(completion);
  EXPECT_EQ(Check(stream), absl::OkStatus());
  stream.erase(stream.begin() + static_cast<std::ptrdiff_t>(at));
  EXPECT_THAT(Check(stream).message(), HasSubstr("0 of the summary's 4 entries"));
}

TEST_F(StreamCheckJobTest, FromALaterOffsetWhatCameBeforeIsNotMissed) {
  EXPECT_THAT(Check(Stream({2})).message(), HasSubstr("expected 5"));
  EXPECT_EQ(Check(Stream({2}), false), absl::OkStatus());
  EXPECT_THAT(Check(Stream({2, 2}), false).message(), HasSubstr("came twice"));
}

}  // namespace
}  // namespace ablate::client
