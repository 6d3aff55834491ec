#include "client/cpp/errors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "client/cpp/cli/exit_code.h"

namespace ablate::client {
namespace {

using ::testing::HasSubstr;

template <typename... Details>
grpc::Status Failure(grpc::StatusCode code, const std::string& message, const Details&... details) {
  google::rpc::Status status;
  status.set_code(code);
  status.set_message(message);
  (status.add_details()->PackFrom(details), ...);
  return {code, message, sizeof...(Details) == 0 ? "" : status.SerializeAsString()};
}

google::rpc::BadRequest Violation(const std::string& field, const std::string& description) {
  google::rpc::BadRequest bad;
  bad.add_field_violations()->set_field(field);
  bad.mutable_field_violations(0)->set_description(description);
  return bad;
}

google::rpc::RetryInfo Retry(int seconds) {
  google::rpc::RetryInfo retry;
  retry.mutable_retry_delay()->set_seconds(seconds);
  return retry;
}

TEST(FromGrpcTest, NamesTheFieldOnce) {
  const auto status = FromGrpc(Failure(grpc::INVALID_ARGUMENT, "prompts[0].target: 2 tokens, expected 1",
                                       Violation("prompts[0].target", "2 tokens, expected 1")),
                               "host:1");
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(), "prompts[0].target: 2 tokens, expected 1");
  ASSERT_EQ(FieldViolations(status).size(), 1U);
  EXPECT_EQ(FieldViolations(status)[0].field(), "prompts[0].target");
}

TEST(FromGrpcTest, AddsTheFieldThatTheMessageLeavesOut) {
  EXPECT_EQ(FromGrpc(Failure(grpc::INVALID_ARGUMENT, "invalid request", Violation("readout.top_k", "got 101")), "h:1")
                .message(),
            "invalid request; readout.top_k: got 101");
  EXPECT_EQ(
      FromGrpc(Failure(grpc::INVALID_ARGUMENT, "got 101", Violation("readout.top_k", "got 101")), "h:1").message(),
      "got 101; field readout.top_k");
}

TEST(FromGrpcTest, TellsWhenToTryAgain) {
  google::rpc::ErrorInfo info;
  info.set_reason("QUEUE_FULL");
  const auto status = FromGrpc(Failure(grpc::RESOURCE_EXHAUSTED, "the queue is full", info, Retry(2)), "h:1");
  EXPECT_EQ(status.message(), "the queue is full; try again in 2s");
  EXPECT_EQ(Reason(status), "QUEUE_FULL");
  EXPECT_EQ(RetryDelay(status), absl::Seconds(2));
  EXPECT_EQ(cli::ExitCode(status), 3);
}

TEST(FromGrpcTest, WithoutAServerItNamesTheWaysOut) {
  const auto status = FromGrpc(Failure(grpc::UNAVAILABLE, "connection refused"), "gpu:50051");
  for (const char* part : {"gpu:50051", "connection refused", "ablated --model", "--server", "--local"}) {
    EXPECT_THAT(std::string(status.message()), HasSubstr(part));
  }
}

// Whoever runs the server finds it in the log by that.
TEST(FromGrpcTest, NamesTheCallWhereTheServerIsToBlame) {
  google::rpc::RequestInfo info;
  info.set_request_id("seventh");
  for (const auto code : {grpc::INTERNAL, grpc::UNKNOWN, grpc::DATA_LOSS}) {
    EXPECT_EQ(FromGrpc(Failure(code, "oops", info), "h:1").message(), "oops (request id seventh)");
  }
  EXPECT_EQ(FromGrpc(Failure(grpc::INVALID_ARGUMENT, "got 101", info), "h:1").message(), "got 101");
}

TEST(FromGrpcTest, SurvivesDetailsThatAreNone) {
  const auto status = FromGrpc({grpc::INTERNAL, "oops", "\xff\xff not a proto"}, "h:1");
  EXPECT_EQ(status.message(), "oops");
  EXPECT_FALSE(DetailsOf(status));
  EXPECT_THAT(std::string(FromGrpc({grpc::INTERNAL, ""}, "h:1").message()), HasSubstr("no message"));
}

TEST(ExitCodeTest, Table) {
  EXPECT_EQ(cli::ExitCode(absl::OkStatus()), 0);
  EXPECT_EQ(cli::ExitCode(absl::InternalError("")), 1);
  EXPECT_EQ(cli::ExitCode(absl::DataLossError("")), 1);
  EXPECT_EQ(cli::ExitCode(absl::ResourceExhaustedError("too large")), 1);
  EXPECT_EQ(cli::ExitCode(absl::InvalidArgumentError("")), 2);
  EXPECT_EQ(cli::ExitCode(absl::UnavailableError("")), 3);
  EXPECT_EQ(cli::ExitCode(absl::DeadlineExceededError("")), 4);
  EXPECT_EQ(cli::ExitCode(absl::CancelledError("")), 130);
}

TEST(ExitCodeTest, WhatTheServerDoesNotHaveIsWrongUsage) {
  google::rpc::ErrorInfo info;
  info.set_reason("ANY");
  const auto code = [](const grpc::Status& status) { return cli::ExitCode(FromGrpc(status, "h:1")); };
  EXPECT_EQ(code(Failure(grpc::FAILED_PRECONDITION, "replacements[0].mean.library: got \"a\"",
                         Violation("replacements[0].mean.library", "got \"a\""))),
            2);
  EXPECT_EQ(code(Failure(grpc::NOT_FOUND, "there is no mean library `a`", info)), 2);
  // The server's own state, or files of this machine.
  EXPECT_EQ(code(Failure(grpc::FAILED_PRECONDITION, "this server has no mean libraries", info)), 1);
  EXPECT_EQ(cli::ExitCode(absl::NotFoundError("no ablated beside this program")), 1);
}

}  // namespace
}  // namespace ablate::client
