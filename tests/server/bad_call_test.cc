// A bad request's whole way to a client: nothing has run, and the error has its details.
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/prepare_call.h"
#include "tests/server/scan_call.h"
#include "tests/server/test_server.h"

namespace ablate {
namespace {

namespace pb = ::ablation::v1;
using ::testing::HasSubstr;

TEST(BadCallTest, AClientGetsTheDetails) {
  TestServer server;
  server.Serve();
  pb::AblateRequest request = RequestOf(absl::StrCat(kPrompt, "replacements { constant { vector { values: 1 } } }"));
  const ScanResult bad = RunScan(server.stub(), request);
  EXPECT_EQ(bad.status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_TRUE(bad.responses.empty());
  const Details details = DetailsOf(bad.status);
  EXPECT_EQ(details.info.domain(), "ablate");
  EXPECT_EQ(details.info.reason(), "VECTOR_LENGTH");
  ASSERT_EQ(details.bad_request.field_violations_size(), 1);
  EXPECT_EQ(details.bad_request.field_violations(0).field(), "replacements[0].constant.vector.values");
  EXPECT_THAT(details.bad_request.field_violations(0).description(), HasSubstr("got 1 numbers, expected 4"));
  request.clear_replacements();
  EXPECT_TRUE(RunScan(server.stub(), request).status.ok());
  EXPECT_EQ(server.device().runs().size(), 1U);
}

TEST(BadCallTest, AClientGetsTheQuota) {
  TestServer server({.limits = {.cost = 28 + FakeEngine::ReadCost(7) - 1}});
  server.Serve();
  const ScanResult result = RunScan(server.stub(), RequestOf(kPrompt));
  EXPECT_EQ(result.status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  const Details details = DetailsOf(result.status);
  EXPECT_EQ(details.info.reason(), "REQUEST_TOO_COSTLY");
  ASSERT_EQ(details.quota.violations_size(), 1);
  EXPECT_EQ(details.quota.violations(0).subject(), "request");
  EXPECT_FALSE(details.retry.has_retry_delay());
  EXPECT_TRUE(RunScan(server.stub(), ScanRequest("x")).status.ok());
}

}  // namespace
}  // namespace ablate
