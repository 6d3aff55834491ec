// The id of a call: the client's or a random one, in every answer and in the details of errors. And a line of the log.
#include "server/call_log.h"

#include <string>

#include "gmock/gmock.h"
#include "grpcpp/generic/generic_stub.h"
#include "gtest/gtest.h"
#include "tests/server/auth/token_server.h"
#include "tests/server/log_capture.h"
#include "tests/server/test_server.h"

namespace ablate {
namespace {

namespace pb = ::ablation::v1;
using ::testing::ContainsRegex;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

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

  grpc::ClientContext probe;
  probe.AddMetadata(kRequestIdKey, "probe");
  grpc::health::v1::HealthCheckRequest nobody;
  nobody.set_service("nobody");
  grpc::health::v1::HealthCheckResponse health;
  EXPECT_EQ(DetailsOf(server.health().Check(&probe, nobody, &health)).request.request_id(), "probe");
}

// With an empty request.
grpc::Status CallUnknown(TestServer& server, const std::string& path, grpc::ClientContext& context) {
  grpc::GenericStub stub(server.NewChannel());
  grpc::CompletionQueue queue;
  const grpc::Slice nothing;
  const auto call = stub.PrepareUnaryCall(&context, path, grpc::ByteBuffer(&nothing, 1), &queue);
  call->StartCall();
  grpc::ByteBuffer response;
  grpc::Status status;
  call->Finish(&response, &status, nullptr);
  void* tag = nullptr;
  bool ok = false;
  EXPECT_TRUE(queue.Next(&tag, &ok) && ok);
  return status;
}

TEST(CallLogTest, CallsThatNoServiceHasAreNoExceptions) {
  const LogCapture log;
  TestServer server;
  server.Serve();
  for (const std::string& path :
       {std::string("/ablation.v1.AblationService/Nothing"), std::string("/no.such.Service/Call")}) {
    grpc::ClientContext context;
    context.AddMetadata(kRequestIdKey, "unknown");
    EXPECT_EQ(CallUnknown(server, path, context).error_code(), grpc::StatusCode::UNIMPLEMENTED);
    EXPECT_EQ(context.GetServerTrailingMetadata().count(kRequestIdKey), 1U) << path;
    EXPECT_THAT(log.LinesWith(path), ElementsAre(HasSubstr("call unknown of " + path))) << path;
  }
}

TEST(CallLogTest, ALineSaysWhoWhatAndWhy) {
  const LogCapture log;
  TestServer server;
  server.Serve();
  Tokenize(server, 0, "seventh");
  EXPECT_THAT(
      log.LinesWith("seventh"),
      ElementsAre(ContainsRegex("^info: call seventh of /ablation.v1.AblationService/Tokenize from "
                                "ipv4:127.0.0.1:[0-9]+: INVALID_ARGUMENT after [0-9.]+.?s: texts: got 0 texts")));
  Tokenize(server, 1, "eighth");
  EXPECT_THAT(log.LinesWith("eighth"), ElementsAre(ContainsRegex("^debug: .*: OK after [0-9.]+.?s$")));
}

// Whom to revoke.
TEST(CallLogTest, ALineNamesTheTokenThatWasShown) {
  const LogCapture log;
  const std::string path = testing::TempDir() + "call-log.json";
  const std::string token = AddToken(path, "lab", {Scope::kScan});
  const std::string id = ParseToken(token)->id;
  TestServer server(AskingFor(path));
  server.Serve();
  const Answer without = Tokenize(server, 1, "without");
  EXPECT_EQ(without.status.error_code(), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(DetailsOf(without.status).request.request_id(), "without");
  EXPECT_THAT(log.LinesWith("without"), ElementsAre(Not(HasSubstr("with token"))));
  grpc::ClientContext context;
  context.AddMetadata(kRequestIdKey, "mine");
  pb::TokenizeResponse response;
  EXPECT_FALSE(StubWith(server, token)->Tokenize(&context, {}, &response).ok());
  EXPECT_THAT(log.LinesWith("mine"),
              ElementsAre("debug: call mine: token " + id + " of lab", HasSubstr(" with token " + id + ": INVALID")));
  EXPECT_THAT(log.LinesWith(ParseToken(token)->secret), IsEmpty());
}

}  // namespace
}  // namespace ablate
