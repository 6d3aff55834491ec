// What a reader gets of what is pushed, and what it learns of the end.
#include "server/write_stream.h"

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "ablation/v1/service.grpc.pb.h"
#include "gmock/gmock.h"
#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"

namespace ablate {
namespace {

namespace pb = ::ablation::v1;
using ::testing::ElementsAre;
using ::testing::SizeIs;

class TestStream final : public WriteStream<pb::AblateResponse> {
 public:
  // Messages are told by their number of rows.
  static pb::AblateResponse Message(int64_t rows) {
    pb::AblateResponse message;
    message.mutable_completion()->set_rows(rows);
    return message;
  }

  std::vector<int64_t> amended;

 private:
  void Amend(pb::AblateResponse& response, absl::Duration /*written_for*/) override {
    amended.push_back(response.completion().rows());
  }
};

// Streams what `feed` says of the stream that it is given.
class TestService final : public pb::AblationService::CallbackService {
 public:
  explicit TestService(std::function<void(TestStream&)> feed) : feed_(std::move(feed)) {}

  grpc::ServerWriteReactor<pb::AblateResponse>* Ablate(grpc::CallbackServerContext* context,
                                                       const pb::AblateRequest* /*request*/) override {
    stream = std::make_shared<TestStream>();
    stream->Keep(context);
    feed_(*stream);
    stream->Release();
    return stream.get();
  }

  std::shared_ptr<TestStream> stream;

 private:
  const std::function<void(TestStream&)> feed_;
};

struct Read {
  std::vector<int64_t> rows;
  grpc::Status status;
  // In the server.
  std::vector<int64_t> amended;
  int64_t buffered_bytes = 0;
};

Read ReadAll(std::function<void(TestStream&)> feed) {
  TestService service(std::move(feed));
  grpc::ServerBuilder builder;
  builder.RegisterService(&service);
  // Over a connection, as clients come, and not for ever: a write that is not flushed shows as a missed deadline.
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  const auto server = builder.BuildAndStart();
  const auto stub = pb::AblationService::NewStub(
      grpc::CreateChannel("127.0.0.1:" + std::to_string(port), grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
  const auto reader = stub->Ablate(&context, {});
  Read read;
  for (pb::AblateResponse response; reader->Read(&response);) read.rows.push_back(response.completion().rows());
  read.status = reader->Finish();
  server->Shutdown();
  server->Wait();
  read.amended = service.stream->amended;
  read.buffered_bytes = service.stream->buffered_bytes();
  return read;
}

void ExpectAllOfFour(const Read& read) {
  EXPECT_THAT(read.rows, ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(read.amended, ElementsAre(1, 2, 3, 4)) << "each once";
  EXPECT_EQ(read.buffered_bytes, 0);
}

TEST(WriteStreamTest, TheLastMessageComesWithTheEnd) {
  const Read read = ReadAll([](TestStream& stream) {
    stream.Push(TestStream::Message(1));
    stream.Push(TestStream::Message(2));
    stream.Push(TestStream::Message(3));
    stream.PushLast(TestStream::Message(4), absl::OkStatus());
    stream.Push(TestStream::Message(5));
  });
  ExpectAllOfFour(read);
  EXPECT_TRUE(read.status.ok()) << read.status.error_message();
}

// Rows that were computed before something failed are no less right.
TEST(WriteStreamTest, WhatWasPushedBeforeAnErrorArrives) {
  const Read read = ReadAll([](TestStream& stream) {
    for (int64_t i = 1; i <= 4; ++i) stream.Push(TestStream::Message(i));
    stream.End(absl::InternalError("it failed"));
  });
  ExpectAllOfFour(read);
  EXPECT_EQ(read.status.error_code(), grpc::StatusCode::INTERNAL);
  EXPECT_EQ(read.status.error_message(), "it failed");
}

TEST(WriteStreamTest, AnEndAloneIsAnEnd) {
  const Read read = ReadAll([](TestStream& stream) { stream.End(absl::NotFoundError("nothing there")); });
  EXPECT_THAT(read.rows, SizeIs(0));
  EXPECT_EQ(read.status.error_code(), grpc::StatusCode::NOT_FOUND);
}

}  // namespace
}  // namespace ablate
