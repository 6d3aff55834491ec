#include "server/errors.h"

#include <string>

#include "gmock/gmock.h"
#include "google/rpc/status.pb.h"
#include "gtest/gtest.h"
#include "server/quote.h"
#include "tests/server/test_server.h"

namespace ablate {
namespace {

using ::testing::EndsWith;
using ::testing::SizeIs;

TEST(ErrorsTest, OkStaysOk) {
  EXPECT_TRUE(ToGrpcStatus(absl::OkStatus()).ok());
}

TEST(ErrorsTest, PlainStatusGetsAnErrorInfo) {
  const grpc::Status status = ToGrpcStatus(absl::DeadlineExceededError("late"));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_EQ(status.error_message(), "late");
  const Details details = DetailsOf(status);
  EXPECT_EQ(details.info.reason(), "DEADLINE_EXCEEDED");
  EXPECT_EQ(details.info.domain(), "ablate");
}

TEST(ErrorsTest, ErrorInfoStandsFirst) {
  google::rpc::Status rpc;
  ASSERT_TRUE(rpc.ParseFromString(ToGrpcStatus(BadField("a.b[1]", "WRONG", "bad")).error_details()));
  ASSERT_THAT(rpc.details(), SizeIs(2));
  EXPECT_EQ(rpc.details(0).type_url(), "type.googleapis.com/google.rpc.ErrorInfo");
  EXPECT_EQ(rpc.details(1).type_url(), "type.googleapis.com/google.rpc.BadRequest");
}

TEST(ErrorsTest, RetryDelayKeepsItsFraction) {
  const Details details =
      DetailsOf(ToGrpcStatus(RetryLater(absl::StatusCode::kUnavailable, "LATER", "later", absl::Milliseconds(1250))));
  EXPECT_EQ(details.retry.retry_delay().seconds(), 1);
  EXPECT_EQ(details.retry.retry_delay().nanos(), 250'000'000);
}

TEST(ErrorsTest, LongMessagesFitIntoMetadata) {
  std::string umlauts;
  for (int i = 0; i < 5000; ++i) umlauts += "\xC3\xBC";
  const grpc::Status status = ToGrpcStatus(BadField("prompts[0].text", "WRONG", umlauts));
  EXPECT_LT(3 * status.error_message().size() + 4 * status.error_details().size() / 3, 8192U);
  EXPECT_THAT(status.error_message(), EndsWith("\xBC ..."));
}

TEST(QuoteTest, EscapesAndCuts) {
  EXPECT_EQ(Quoted(" a\"\\\n\t\x01"), "\" a\\\"\\\\\\n\\t\\x01\"");
  EXPECT_EQ(Quoted(std::string(81, 'a')), "\"" + std::string(80, 'a') + " ...\"");
  EXPECT_EQ(Truncated("\xE2\x82\xAC\xE2\x82\xAC", 5), "\xE2\x82\xAC ...");
  EXPECT_EQ(Truncated("abc", 3), "abc");
}

}  // namespace
}  // namespace ablate
