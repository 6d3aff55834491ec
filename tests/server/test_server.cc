#include "tests/server/test_server.h"

#include <utility>

#include "google/rpc/status.pb.h"
#include "gtest/gtest.h"

namespace ablate {

TestServer::TestServer(ServerOptions options) {
  if (options.listen == ServerOptions().listen) options.listen = "127.0.0.1:0";
  options.model_name = "fake";
  auto server = Server::Start(options);
  if (!server.ok()) {
    ADD_FAILURE() << server.status();
    std::abort();
  }
  server_ = *std::move(server);
  const auto channel = NewChannel();
  stub_ = ablation::v1::AblationService::NewStub(channel);
  health_ = grpc::health::v1::Health::NewStub(channel);
}

void TestServer::Serve(int64_t max_packed_tokens) {
  server_->Serve(std::make_unique<FakeEngine>(device_, max_packed_tokens));
}

std::shared_ptr<grpc::Channel> TestServer::NewChannel() const {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetMaxReceiveMessageSize(-1);
  return grpc::CreateCustomChannel(server_->address(), grpc::InsecureChannelCredentials(), arguments);
}

Details DetailsOf(const grpc::Status& status) {
  Details details;
  google::rpc::Status rpc;
  EXPECT_TRUE(rpc.ParseFromString(status.error_details()));
  EXPECT_EQ(rpc.code(), static_cast<int>(status.error_code()));
  EXPECT_EQ(rpc.message(), status.error_message());
  for (const auto& any : rpc.details()) {
    const bool known = any.UnpackTo(&details.info) || any.UnpackTo(&details.bad_request) ||
                       any.UnpackTo(&details.retry) || any.UnpackTo(&details.quota) || any.UnpackTo(&details.request);
    EXPECT_TRUE(known) << any.type_url();
  }
  return details;
}

}  // namespace ablate
