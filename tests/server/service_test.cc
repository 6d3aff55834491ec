// Tokenize, DescribeModel, the loading state and reflection.
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "grpcpp/generic/generic_stub.h"
#include "gtest/gtest.h"
#include "server/convert.h"
#include "tests/server/scan_call.h"
#include "tests/server/test_server.h"

namespace ablate {
namespace {

namespace pb = ::ablation::v1;

grpc::Status Tokenize(TestServer& server, const pb::TokenizeRequest& request, pb::TokenizeResponse& response) {
  grpc::ClientContext context;
  return server.stub().Tokenize(&context, request, &response);
}

TEST(TokenizeTest, TextsBecomeTokensWithTextAndBytes) {
  TestServer server;
  server.Serve();
  pb::TokenizeRequest request;
  request.add_texts("Berlin\xC3\xA9");
  request.add_texts("");
  request.set_prepend_bos(true);
  pb::TokenizeResponse response;
  const grpc::Status status = Tokenize(server, request, response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  ASSERT_EQ(response.texts_size(), 2);
  ASSERT_EQ(response.texts(0).tokens_size(), 4);
  EXPECT_EQ(response.texts(0).tokens(0).id(), FakeTokenizer::kBos);
  EXPECT_EQ(response.texts(0).tokens(1).text(), "Berlin");
  EXPECT_EQ(response.texts(0).tokens(2).raw(), "\xC3");
  EXPECT_EQ(response.texts(0).tokens(2).text(), "\xEF\xBF\xBD");
  ASSERT_EQ(response.texts(1).tokens_size(), 1);
}

TEST(TokenizeTest, CountOfTextsIsChecked) {
  TestServer server;
  server.Serve();
  pb::TokenizeRequest request;
  pb::TokenizeResponse response;
  grpc::Status status = Tokenize(server, request, response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(status.error_message(), "texts: got 0 texts, expected 1 .. 10000");
  EXPECT_EQ(DetailsOf(status).bad_request.field_violations(0).field(), "texts");
  for (int i = 0; i < 10'001; ++i) request.add_texts("a");
  EXPECT_EQ(Tokenize(server, request, response).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST(TokenizeTest, TokensOfAllTextsAreBounded) {
  TestServer server({.limits = {.tokens = 5}});
  server.Serve();
  pb::TokenizeRequest request;
  pb::TokenizeResponse response;
  request.add_texts("ab");
  request.add_texts("abc");
  EXPECT_TRUE(Tokenize(server, request, response).ok());
  // BOS counts: 3 and 4 tokens.
  request.set_prepend_bos(true);
  const grpc::Status status = Tokenize(server, request, response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(status.error_message(), testing::HasSubstr("with texts[1] the request has more tokens than the 5"));
  EXPECT_EQ(DetailsOf(status).info.reason(), "REQUEST_TOO_MANY_TOKENS");
}

// Each call, not only the streaming one.
TEST(UnknownFieldTest, IsRefused) {
  TestServer server;
  server.Serve();
  pb::TokenizeRequest tokenize;
  tokenize.add_texts("a");
  tokenize.GetReflection()->MutableUnknownFields(&tokenize)->AddVarint(99, 1);
  pb::TokenizeResponse tokens;
  pb::DescribeModelRequest describe;
  describe.GetReflection()->MutableUnknownFields(&describe)->AddVarint(99, 1);
  pb::DescribeModelResponse description;
  grpc::ClientContext context;
  for (const grpc::Status& status :
       {Tokenize(server, tokenize, tokens), server.stub().DescribeModel(&context, describe, &description)}) {
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_THAT(status.error_message(), testing::HasSubstr("field number 99 of ablation.v1."));
    EXPECT_EQ(DetailsOf(status).info.reason(), "UNKNOWN_FIELD");
  }
}

TEST(DescribeModelTest, TellsModelAndRuntime) {
  TestServer server;
  server.Serve();
  grpc::ClientContext context;
  pb::DescribeModelResponse response;
  ASSERT_TRUE(server.stub().DescribeModel(&context, {}, &response).ok());
  EXPECT_EQ(response.model().name(), "fake");
  EXPECT_EQ(response.model().n_heads(), FakeEngine::kHeads);
  EXPECT_EQ(response.model().d_mlp(), 48);
  EXPECT_EQ(response.model().n_parameters(), 1234);
  EXPECT_EQ(response.model().layer_norm_epsilon(), 1e-5);
  EXPECT_EQ(response.runtime().device_name(), "fake");
  EXPECT_EQ(response.runtime().max_packed_tokens(), 1000);
  EXPECT_EQ(response.runtime().memory_budget_bytes(), int64_t{3} << 29);
  EXPECT_EQ(response.runtime().max_request_tokens(), 1'000'000);
}

TEST(ConvertModelTest, AVocabularyWithoutBosHasNoBosId) {
  EngineInfo info;
  info.bos_token_id = -1;
  EXPECT_FALSE(MakeModelInfo(info, "m").has_bos_token_id());
  info.bos_token_id = 0;
  EXPECT_TRUE(MakeModelInfo(info, "m").has_bos_token_id());
}

TEST(LoadingTest, EveryCallIsUnavailable) {
  TestServer server;
  pb::TokenizeRequest tokenize;
  tokenize.add_texts("a");
  pb::TokenizeResponse tokens;
  grpc::ClientContext context;
  pb::DescribeModelResponse description;
  for (const grpc::Status& status :
       {RunScan(server.stub(), ScanRequest("a")).status, Tokenize(server, tokenize, tokens),
        server.stub().DescribeModel(&context, {}, &description)}) {
    EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
    EXPECT_EQ(status.error_message(), "loading: the model is not ready yet");
    const Details details = DetailsOf(status);
    EXPECT_EQ(details.info.reason(), "MODEL_LOADING");
    EXPECT_EQ(details.retry.retry_delay().seconds(), 1);
  }
}

// As `grpcurl list` does. The stub is generic: the reflection library has the generated code already, and twice in one
// program it would clash.
TEST(ReflectionTest, ListsTheServices) {
  TestServer server;
  grpc::GenericStub stub(server.NewChannel());
  grpc::ClientContext context;
  grpc::CompletionQueue queue;
  const auto finished = [&queue] {
    void* tag = nullptr;
    bool ok = false;
    return queue.Next(&tag, &ok) && ok;
  };
  const auto call =
      stub.PrepareCall(&context, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", &queue);
  call->StartCall(nullptr);
  ASSERT_TRUE(finished());
  // ServerReflectionRequest{list_services: "*"}: field 7, one byte.
  const grpc::Slice request("\x3a\x01*");
  call->Write(grpc::ByteBuffer(&request, 1), nullptr);
  ASSERT_TRUE(finished());
  grpc::ByteBuffer response;
  call->Read(&response, nullptr);
  ASSERT_TRUE(finished());
  std::vector<grpc::Slice> slices;
  ASSERT_TRUE(response.Dump(&slices).ok());
  std::string bytes;
  for (const grpc::Slice& slice : slices) bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  EXPECT_THAT(bytes, testing::HasSubstr("ablation.v1.AblationService"));
  EXPECT_THAT(bytes, testing::HasSubstr("grpc.health.v1.Health"));
  context.TryCancel();
  grpc::Status status;
  call->Finish(&status, nullptr);
  finished();
}

TEST(MessageSizeTest, TooLargeARequestIsRefused) {
  TestServer server({.max_message_bytes = 2000});
  server.Serve();
  const ScanResult result = RunScan(server.stub(), ScanRequest(std::string(3000, 'x')));
  EXPECT_EQ(result.status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
}

}  // namespace
}  // namespace ablate
