// The client library against a scripted server.
#include "client/cpp/client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "client/cpp/errors.h"
#include "client/cpp/private_folder.h"
#include "tests/client/fake_server.h"
#include "tests/client/fixtures.h"

namespace ablate::client {
namespace {

using testing::FakeServer;
using ::testing::HasSubstr;
using testing::Script;
using testing::ServerWriter;

class ClientTest : public ::testing::Test {
 protected:
  void Serve(const Script& script) {
    server_.emplace(address_, script);
    ASSERT_TRUE(server_->started());
    auto client = Client::Connect(address_);
    ASSERT_TRUE(client.ok()) << client.status();
    client_ = *std::move(client);
  }

  static v1::AblateRequest Request(int prompts = 1) {
    v1::AblateRequest request;
    for (int i = 0; i < prompts; ++i) {
      request.add_prompts()->set_text("Berlin is");
      request.mutable_prompts(i)->add_targets()->set_text(" Germany");
    }
    return request;
  }

  PrivateFolder folder_ = *PrivateFolder::Make();
  const std::string address_ = "unix:" + folder_.path() + "/socket";
  std::optional<FakeServer> server_;
  std::unique_ptr<Client> client_;
};

TEST_F(ClientTest, ScanGivesManifestThenBlocksThenCompletion) {
  Serve({});
  std::string order;
  int rows = 0;
  const auto completion = client_->Scan(Request(2),
                                        {.on_manifest =
                                             [&](const ScanManifest& manifest) {
                                               order += "m";
                                               EXPECT_EQ(manifest.head.total_rows(), 10);
                                               EXPECT_EQ(manifest.n_variants(), 4);
                                               EXPECT_EQ(manifest.n_prompts(), 2);
                                               EXPECT_EQ(manifest.prompts[1].tokens(1).text(), " is");
                                               return absl::OkStatus();
                                             },
                                         .on_block =
                                             [&](const v1::RowBlock& block) {
                                               order += "b";
                                               rows += block.variant_size();
                                               return absl::OkStatus();
                                             }},
                                        {});
  ASSERT_TRUE(completion.ok()) << completion.status();
  EXPECT_EQ(completion->rows(), 10);
  EXPECT_EQ(order, "mbbbb");
  EXPECT_EQ(rows, 10);
}

TEST_F(ClientTest, AStreamWithoutCompletionIsIncomplete) {
  Script script;
  script.ablate = [](grpc::ServerContext*, const v1::AblateRequest& request, ServerWriter* writer) {
    testing::SendManifest(request, writer);
    testing::SendRows(request, 0, writer);
    return grpc::Status::OK;
  };
  Serve(script);
  const auto completion = client_->Scan(Request(), {}, {});
  EXPECT_EQ(completion.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(completion.status().message()), HasSubstr("incomplete"));
}

TEST_F(ClientTest, ErrorDetailsReachTheCaller) {
  Script script;
  script.ablate = [](grpc::ServerContext*, const v1::AblateRequest&, ServerWriter*) {
    return testing::InvalidField("prompts[0].targets[0]", "` Federal Republic` is 2 tokens, expected 1");
  };
  Serve(script);
  const auto status = client_->Scan(Request(), {}, {}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(), "prompts[0].targets[0]: ` Federal Republic` is 2 tokens, expected 1");
  ASSERT_EQ(FieldViolations(status).size(), 1U);
}

TEST_F(ClientTest, EveryCallHasAnIdOfItsOwn) {
  Script script;
  std::vector<std::string> ids;
  script.ablate = [&ids](grpc::ServerContext* context, const v1::AblateRequest&, ServerWriter*) {
    const auto [begin, end] = context->client_metadata().equal_range("x-request-id");
    for (auto id = begin; id != end; ++id) ids.emplace_back(id->second.data(), id->second.size());
    return grpc::Status::OK;
  };
  Serve(script);
  EXPECT_FALSE(client_->Scan(Request(), {}, {}).ok());
  EXPECT_FALSE(client_->Scan(Request(), {}, {}).ok());
  ASSERT_EQ(ids.size(), 2U);
  for (const std::string& id : ids) EXPECT_THAT(id, ::testing::MatchesRegex("[0-9a-f-]+"));
  EXPECT_NE(ids[0], ids[1]);
}

// The server must learn that nobody listens any more.
class EndlessTest : public ClientTest {
 protected:
  void SetUp() override {
    Script script;
    script.ablate = [this](grpc::ServerContext* context, const v1::AblateRequest& request, ServerWriter* writer) {
      testing::SendManifest(request, writer);
      testing::SendRows(request, 0, writer);
      while (!context->IsCancelled()) usleep(1000);
      saw_cancel_ = true;
      return grpc::Status::CANCELLED;
    };
    Serve(script);
  }
  void TearDown() override {
    server_.reset();
    EXPECT_TRUE(saw_cancel_);
  }
  std::atomic<bool> saw_cancel_ = false;
};

TEST_F(EndlessTest, CancellationEndsTheCall) {
  Cancellation cancellation;
  std::thread canceller;
  const auto completion = client_->Scan(Request(2),
                                        {.on_manifest =
                                             [&](const ScanManifest&) {
                                               canceller = std::thread([&] { cancellation.Cancel(); });
                                               return absl::OkStatus();
                                             },
                                         .on_block = {}},
                                        {.timeout = absl::Seconds(60), .cancellation = &cancellation});
  canceller.join();
  EXPECT_EQ(completion.status().code(), absl::StatusCode::kCancelled);
}

TEST_F(EndlessTest, ACancellationBeforeTheCallCountsToo) {
  Cancellation cancellation;
  cancellation.Cancel();
  EXPECT_EQ(
      client_->Scan(Request(2), {}, {.timeout = absl::Seconds(60), .cancellation = &cancellation}).status().code(),
      absl::StatusCode::kCancelled);
  saw_cancel_ = true;  // The server need not have heard of it.
}

TEST_F(EndlessTest, ADeadlineIsNamed) {
  const auto status = client_->Scan(Request(2), {}, {.timeout = absl::Milliseconds(300)}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(std::string(status.message()), HasSubstr("300ms"));
}

TEST_F(EndlessTest, AHandlersErrorEndsTheCall) {
  const auto status =
      client_
          ->Scan(Request(2),
                 {.on_manifest = {}, .on_block = [](const v1::RowBlock&) { return absl::DataLossError("disk full"); }},
                 {.timeout = absl::Seconds(60)})
          .status();
  EXPECT_EQ(status.message(), "disk full");
}

TEST_F(ClientTest, TokenizeDescribeHealth) {
  Script script;
  script.health = [] { return grpc::health::v1::HealthCheckResponse::NOT_SERVING; };
  Serve(script);
  v1::TokenizeRequest request;
  request.add_texts("ab");
  EXPECT_EQ(client_->Tokenize(request, {})->texts(0).tokens(1).raw(), "b");
  EXPECT_EQ(client_->Describe({})->model().name(), "tiny");
  EXPECT_EQ(*client_->Health({}), grpc::health::v1::HealthCheckResponse::NOT_SERVING);
}

TEST(ConnectTest, ChecksTheAddressesForm) {
  for (const char* good : {"localhost:1", "127.0.0.1:65535", "[::1]:50051", "unix:/tmp/x", "dns:///host:1"}) {
    EXPECT_TRUE(Client::Connect(good).ok()) << good;
  }
  for (const char* wrong : {"", "host", ":50051", "host:", "host:0", "host:65536", "host:http", "unix:"}) {
    EXPECT_EQ(Client::Connect(wrong).status().code(), absl::StatusCode::kInvalidArgument) << wrong;
  }
}

TEST(ConnectTest, WithoutAServerTheFirstCallIsUnavailable) {
  const PrivateFolder folder = *PrivateFolder::Make();
  const auto client = Client::Connect("unix:" + folder.path() + "/nobody");
  EXPECT_EQ((*client)->Describe({}).status().code(), absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace ablate::client
