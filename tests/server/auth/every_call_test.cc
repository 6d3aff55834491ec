// Every call of the contract, by its descriptor: none comes in without a token, nor with one of another scope.
#include <map>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "grpcpp/generic/generic_stub.h"
#include "gtest/gtest.h"
#include "tests/server/auth/token_server.h"

namespace ablate {
namespace {

const google::protobuf::ServiceDescriptor& Contract() {
  const auto* service = google::protobuf::DescriptorPool::generated_pool()->FindServiceByName(
      ablation::v1::AblationService::service_full_name());
  return *service;
}

// What the call with an empty request is answered in the end, with this value of `authorization` (empty: none).
grpc::Status Call(TestServer& server, const std::string& method, const std::vector<std::string>& authorization) {
  grpc::GenericStub stub(server.NewChannel());
  grpc::ClientContext context;
  for (const std::string& value : authorization) context.AddMetadata("authorization", value);
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
  grpc::CompletionQueue queue;
  const auto call = stub.PrepareCall(
      &context, absl::StrCat("/", ablation::v1::AblationService::service_full_name(), "/", method), &queue);
  // One after the other, whether or not the server takes them.
  void* tag = nullptr;
  bool ok = false;
  call->StartCall(nullptr);
  queue.Next(&tag, &ok);
  const grpc::Slice nothing;
  const grpc::ByteBuffer request(&nothing, 1);
  call->WriteLast(request, grpc::WriteOptions(), nullptr);
  queue.Next(&tag, &ok);
  for (ok = true; ok;) {
    grpc::ByteBuffer response;
    call->Read(&response, nullptr);
    queue.Next(&tag, &ok);
  }
  grpc::Status status;
  call->Finish(&status, nullptr);
  queue.Next(&tag, &ok);
  queue.Shutdown();
  while (queue.Next(&tag, &ok)) continue;
  return status;
}

// Clients of all calls may need the model's description, for its tokenizer say.
bool TakesAnyToken(const std::string& method) {
  return method == "DescribeModel";
}

Scope ScopeOf(const std::string& method) {
  return method.find("Job") != std::string::npos ? Scope::kJob : Scope::kScan;
}

class EveryCallTest : public testing::Test {
 protected:
  EveryCallTest() {
    server_.Serve();
    for (int i = 0; i < Contract().method_count(); ++i) methods_.push_back(Contract().method(i)->name());
  }

  const std::string path_ = testing::TempDir() + "every.json";
  const std::string scan_ = AddToken(path_, "lab", {Scope::kScan}), job_ = AddToken(path_, "lab", {Scope::kJob}),
                    admin_ = AddToken(path_, "lab", {Scope::kAdmin}),
                    expired_ = AddToken(path_, "lab", {Scope::kAdmin}, absl::Now() - absl::Minutes(1));
  TestServer server_{AskingFor(path_)};
  std::vector<std::string> methods_;
};

TEST_F(EveryCallTest, NeedsAToken) {
  ASSERT_GE(methods_.size(), 14U);
  for (const std::string& method : methods_) {
    const std::string right = "Bearer " + admin_;
    for (const auto& [authorization, reason] :
         std::vector<std::pair<std::vector<std::string>, const char*>>{{{}, "TOKEN_MISSING"},
                                                                       {{"Basic " + admin_}, "TOKEN_MISSING"},
                                                                       {{admin_}, "TOKEN_MISSING"},
                                                                       {{right, right}, "TOKEN_MISSING"},
                                                                       {{"Bearer "}, "TOKEN_INVALID"},
                                                                       {{"Bearer x"}, "TOKEN_INVALID"},
                                                                       {{right + "A"}, "TOKEN_INVALID"},
                                                                       {{"Bearer " + expired_}, "TOKEN_EXPIRED"}}) {
      const grpc::Status status = Call(server_, method, authorization);
      EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAUTHENTICATED) << method << " " << status.error_message();
      EXPECT_EQ(DetailsOf(status).info.reason(), reason) << method;
    }
  }
}

TEST_F(EveryCallTest, NeedsItsScope) {
  for (const std::string& method : methods_) {
    if (TakesAnyToken(method)) continue;
    const bool is_job = ScopeOf(method) == Scope::kJob;
    const grpc::Status other = Call(server_, method, {"Bearer " + (is_job ? scan_ : job_)});
    EXPECT_EQ(other.error_code(), grpc::StatusCode::PERMISSION_DENIED) << method << " " << other.error_message();
    EXPECT_THAT(other.error_message(), testing::HasSubstr(is_job ? "the scope `job`" : "the scope `scan`")) << method;
    for (const std::string& token : {is_job ? job_ : scan_, admin_}) {
      const grpc::Status status = Call(server_, method, {"bearer " + token});
      EXPECT_NE(status.error_code(), grpc::StatusCode::UNAUTHENTICATED) << method << " " << status.error_message();
      EXPECT_NE(status.error_code(), grpc::StatusCode::PERMISSION_DENIED) << method << " " << status.error_message();
    }
  }
}

TEST_F(EveryCallTest, TheModelIsDescribedToWhoeverHasAToken) {
  for (const std::string& token : {scan_, job_, admin_}) {
    const grpc::Status status = Call(server_, "DescribeModel", {"Bearer " + token});
    EXPECT_TRUE(status.ok()) << status.error_message();
  }
}

// Who has no token does not learn whether the model is loaded either.
TEST_F(EveryCallTest, NeedsATokenWhileTheModelLoads) {
  TestServer loading(AskingFor(path_));
  for (const std::string& method : methods_) {
    EXPECT_EQ(Call(loading, method, {}).error_code(), grpc::StatusCode::UNAUTHENTICATED) << method;
    EXPECT_EQ(Call(loading, method, {"Bearer " + admin_}).error_code(), grpc::StatusCode::UNAVAILABLE) << method;
  }
}

TEST_F(EveryCallTest, HealthNeedsNone) {
  grpc::ClientContext context;
  grpc::health::v1::HealthCheckResponse response;
  EXPECT_TRUE(server_.health().Check(&context, {}, &response).ok());
  EXPECT_EQ(response.status(), grpc::health::v1::HealthCheckResponse::SERVING);
}

TEST_F(EveryCallTest, ARevokedTokenIsNoLongerTakenByALivingServer) {
  ASSERT_TRUE(Call(server_, "DescribeModel", {"Bearer " + scan_}).ok());
  const absl::Status changed = ChangeTokenFile(path_, [&](TokenRecords& records) {
    std::erase_if(records, [&](const TokenRecord& record) { return record.id == ParseToken(scan_)->id; });
    return absl::OkStatus();
  });
  ASSERT_TRUE(changed.ok()) << changed;
  EXPECT_EQ(Call(server_, "DescribeModel", {"Bearer " + scan_}).error_code(), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_TRUE(Call(server_, "DescribeModel", {"Bearer " + admin_}).ok());
}

}  // namespace
}  // namespace ablate
