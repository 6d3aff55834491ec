// A job's results through the client library, over streams that break.
#include "client/cpp/job_results.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "client/cpp/private_folder.h"
#include "client/cpp/request_id.h"
#include "tests/client/fake_jobs.h"

namespace ablate::client {
namespace {

using ::testing::ElementsAre;
using testing::FakeJob;
using testing::FakeServer;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using testing::Script;

class JobResultsTest : public ::testing::Test {
 protected:
  absl::StatusOr<JobResults> Read(FakeJob* job, JobResultsOptions options = {}) {
    Script script;
    job->Serve(&script);
    server_.emplace(address_, script);
    client_ = *Client::Connect(address_);
    options.id = job->job.id();
    options.retry.first_delay = absl::Milliseconds(1);
    JobResultsHandlers handlers;
    handlers.scan.on_manifest = [this](const ScanManifest&) {
      ++manifests_;
      return absl::OkStatus();
    };
    handlers.scan.on_block = [this](const v1::RowBlock& block) {
      prompts_.push_back(block.prompt_index(0));
      return absl::OkStatus();
    };
    handlers.on_job = [this](const v1::Job&) {
      ++looks_;
      return absl::OkStatus();
    };
    return ReadJobResults(client_.get(), options, handlers, {});
  }

  PrivateFolder folder_ = *PrivateFolder::Make();
  const std::string address_ = "unix:" + folder_.path() + "/socket";
  // Live longer than the server.
  std::deque<FakeJob> jobs_;
  std::optional<FakeServer> server_;
  std::unique_ptr<Client> client_;
  int manifests_ = 0, looks_ = 0;
  std::vector<int> prompts_;
};

TEST_F(JobResultsTest, GivesEverythingOnce) {
  FakeJob& job = jobs_.emplace_back(std::vector<int>{2, 0, 1});
  const auto results = Read(&job);
  ASSERT_TRUE(results.ok()) << results.status();
  EXPECT_EQ(manifests_, 1);
  EXPECT_EQ(looks_, 1);
  EXPECT_THAT(prompts_, ElementsAre(2, 0, 1));
  EXPECT_EQ(results->completion.rows(), 15);
  EXPECT_EQ(results->next_offset, job.job.n_results());
  EXPECT_EQ(results->job.state(), v1::JOB_STATE_SUCCEEDED);
}

// The head is five messages: manifest, variants, three prompts.
TEST_F(JobResultsTest, GoesOnWhereAStreamBroke) {
  FakeJob& job = jobs_.emplace_back();
  job.breaks = {-1, -1, 3, 6, 9};
  const auto results = Read(&job);
  ASSERT_TRUE(results.ok()) << results.status();
  EXPECT_THAT(job.asked, ElementsAre(0, 0, 0, 3, 6, 9));
  EXPECT_EQ(manifests_, 1);
  EXPECT_EQ(looks_, 6);
  EXPECT_THAT(prompts_, ElementsAre(0, 1, 2));
}

TEST_F(JobResultsTest, TriesEndWhereNothingNewComes) {
  FakeJob& job = jobs_.emplace_back();
  job.breaks = {6, -1, -1, -1};
  const auto results = Read(&job, {.retry = {.tries = 3}});
  EXPECT_EQ(results.status().code(), absl::StatusCode::kUnavailable) << results.status();
  EXPECT_EQ(job.asked.size(), 4U);
  FakeJob& again = jobs_.emplace_back();
  again.breaks = {6, -1, -1, 7, -1, -1};
  prompts_.clear();
  EXPECT_TRUE(Read(&again, {.retry = {.tries = 3}}).ok());
  EXPECT_THAT(prompts_, ElementsAre(0, 1, 2));
}

TEST_F(JobResultsTest, FromAnOffsetTheManifestComesAllTheSame) {
  FakeJob& job = jobs_.emplace_back();
  const auto results = Read(&job, {.offset = 7});
  ASSERT_TRUE(results.ok()) << results.status();
  EXPECT_EQ(manifests_, 1);
  EXPECT_THAT(prompts_, ElementsAre(2));
  EXPECT_THAT(job.asked, ElementsAre(0, 7));
  EXPECT_EQ(Read(&job, {.offset = 10}).status().code(), absl::StatusCode::kOutOfRange);
}

TEST_F(JobResultsTest, AStreamThatSkipsAResultIsBroken) {
  FakeJob& job = jobs_.emplace_back();
  Script script;
  job.Serve(&script);
  script.job_results = [](const v1::StreamJobResultsRequest&, testing::JobResultsWriter* writer) {
    v1::StreamJobResultsResponse message;
    message.mutable_result()->mutable_manifest();
    message.set_next_offset(2);
    writer->Write(message);
    return grpc::Status::OK;
  };
  server_.emplace(address_, script);
  client_ = *Client::Connect(address_);
  const auto status = ReadJobResults(client_.get(), {.id = "x"}, {}, {}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(status.message(), HasSubstr("next_offset is 2, expected 1"));
}

TEST_F(JobResultsTest, AnErrorOfAHandlerIsNotTriedAgain) {
  FakeJob& job = jobs_.emplace_back();
  Script script;
  job.Serve(&script);
  server_.emplace(address_, script);
  client_ = *Client::Connect(address_);
  JobResultsHandlers handlers;
  handlers.scan.on_block = [](const v1::RowBlock&) { return absl::UnavailableError("the disk is full"); };
  EXPECT_THAT(ReadJobResults(client_.get(), {.id = "x"}, handlers, {}).status().message(), "the disk is full");
  EXPECT_EQ(job.asked.size(), 1U);
}

TEST_F(JobResultsTest, ATimeoutIsOneForAllTries) {
  FakeJob& job = jobs_.emplace_back();
  job.breaks.assign(1000, -1);
  Script script;
  job.Serve(&script);
  server_.emplace(address_, script);
  client_ = *Client::Connect(address_);
  const auto status =
      ReadJobResults(client_.get(), {.id = "x", .retry = {.tries = 1000}}, {}, {.timeout = absl::Milliseconds(500)})
          .status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(status.message(), HasSubstr("500ms"));
}

TEST(RequestIdTest, IsAUuidOfVersionFourEachTime) {
  const std::string id = MakeRequestId();
  EXPECT_THAT(id, MatchesRegex("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"));
  EXPECT_NE(MakeRequestId(), id);
}

}  // namespace
}  // namespace ablate::client
