// The id of a call: the client's or a random one, in every answer and in the details of errors.
#include "server/call_log.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/test_server.h"

namespace ablate {
namespace {

namespace pb = ::ablation::v1;
using ::testing::ContainsRegex;

struct Answer {
  grpc::Status status;
  std::string id;
};

// Of a call for `n_texts` texts: none is an error.
Answer Tokenize(TestServer& server, int n_texts, const std::string& request_id) {
  grpc::ClientContext context;
  if (!request_id.empty()) context.AddMetadata(kRequestIdKey, request_id);
  pb::TokenizeRequest request;
  for (int i = 0; i < n_texts; ++i) request.add_texts("a");
  pb::TokenizeResponse response;
  Answer answer{.status = server.stub().Tokenize(&context, request, &response), .id = {}};
  const auto [begin, end] = context.GetServerTrailingMetadata().equal_range(kRequestIdKey);
  EXPECT_EQ(std::distance(begin, end), 1);
  if (begin != end) answer.id.assign(begin->second.data(), begin->second.size());
  return answer;
}

TEST(CallLogTest, TheClientsIdComesBack) {
  TestServer server;
  server.Serve();
  const Answer answer = Tokenize(server, 1, "notebook_7.run-3");
  EXPECT_TRUE(answer.status.ok());
  EXPECT_EQ(answer.id, "notebook_7.run-3");
}

TEST(CallLogTest, AnErrorTellsItToo) {
  TestServer server;
  server.Serve();
  const Answer answer = Tokenize(server, 0, "seventh");
  EXPECT_EQ(answer.id, "seventh");
  EXPECT_EQ(answer.status.error_message(), "texts: got 0 texts, expected 1 .. 10000");
  const Details details = DetailsOf(answer.status);
  EXPECT_EQ(details.request.request_id(), "seventh");
  EXPECT_EQ(details.info.reason(), "TEXT_COUNT_OUT_OF_RANGE");
}

TEST(CallLogTest, WhoSendsNoneIsGivenOne) {
  TestServer server;
  server.Serve();
  const Answer first = Tokenize(server, 1, "");
  const Answer second = Tokenize(server, 0, "");
  EXPECT_THAT(first.id, ContainsRegex("^[0-9a-f]{32}$"));
  EXPECT_THAT(second.id, ContainsRegex("^[0-9a-f]{32}$"));
  EXPECT_NE(first.id, second.id);
  EXPECT_EQ(DetailsOf(second.status).request.request_id(), second.id);
}

TEST(CallLogTest, WhatIsNoIdIsReplaced) {
  TestServer server;
  server.Serve();
  for (const std::string& odd : {std::string("two words"), std::string("a%0A"), std::string(65, 'a')}) {
    EXPECT_THAT(Tokenize(server, 1, odd).id, ContainsRegex("^[0-9a-f]{32}$")) << odd;
  }
}

// Streams, and calls that no service here has.
TEST(CallLogTest, EveryKindOfCallHasOne) {
  TestServer server;
  server.Serve();
  grpc::ClientContext scan;
  scan.AddMetadata(kRequestIdKey, "stream");
  const auto reader = server.stub().Ablate(&scan, pb::AblateRequest());
  pb::AblateResponse response;
  EXPECT_FALSE(reader->Read(&response));
  EXPECT_EQ(DetailsOf(reader->Finish()).request.request_id(), "stream");
  EXPECT_EQ(scan.GetServerTrailingMetadata().count(kRequestIdKey), 1U);

  grpc::ClientContext upload;
  pb::SubmitJobResponse job;
  const auto writer = server.stub().SubmitJob(&upload, &job);
  writer->WritesDone();
  EXPECT_FALSE(writer->Finish().ok());
  EXPECT_EQ(upload.GetServerTrailingMetadata().count(kRequestIdKey), 1U);
}

}  // namespace
}  // namespace ablate
