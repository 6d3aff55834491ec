// A server that asks for tokens, and what its callers show.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"
#include "server/auth/token_book.h"
#include "server/auth/token_file.h"
#include "tests/server/test_server.h"

namespace ablate {

// A token of the test's, in the file.
inline std::string AddToken(const std::string& path, const std::string& tenant, const std::vector<Scope>& scopes,
                            absl::Time expires = absl::InfiniteFuture()) {
  const absl::Time created = std::min(absl::Now(), expires - absl::Hours(1));
  const auto token = IssueToken({.tenant = tenant, .scopes = scopes, .created = created, .expires = expires});
  const absl::Status added = ChangeTokenFile(path, [&](TokenRecords& records) {
    records.push_back(token->record);
    return absl::OkStatus();
  });
  EXPECT_TRUE(added.ok()) << added;
  return token->text;
}

// A connection whose calls all carry a token.
class TokenInterceptor final : public grpc::experimental::Interceptor {
 public:
  explicit TokenInterceptor(std::string value) : value_(std::move(value)) {}
  void Intercept(grpc::experimental::InterceptorBatchMethods* methods) override {
    if (methods->QueryInterceptionHookPoint(grpc::experimental::InterceptionHookPoints::PRE_SEND_INITIAL_METADATA)) {
      methods->GetSendInitialMetadata()->insert({"authorization", value_});
    }
    methods->Proceed();
  }

 private:
  const std::string value_;
};

class TokenInterceptorFactory final : public grpc::experimental::ClientInterceptorFactoryInterface {
 public:
  explicit TokenInterceptorFactory(std::string value) : value_(std::move(value)) {}
  grpc::experimental::Interceptor* CreateClientInterceptor(grpc::experimental::ClientRpcInfo* /*info*/) override {
    return new TokenInterceptor(value_);
  }

 private:
  const std::string value_;
};

inline std::unique_ptr<ablation::v1::AblationService::Stub> StubWith(TestServer& server, const std::string& token) {
  std::vector<std::unique_ptr<grpc::experimental::ClientInterceptorFactoryInterface>> interceptors;
  interceptors.push_back(std::make_unique<TokenInterceptorFactory>("Bearer " + token));
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return ablation::v1::AblationService::NewStub(grpc::experimental::CreateCustomChannelWithInterceptors(
      server.server().address(), grpc::InsecureChannelCredentials(), arguments, std::move(interceptors)));
}

// Sees every change at once.
inline ServerOptions AskingFor(const std::string& path, ServerOptions options = {}) {
  auto book = TokenBook::Open(path, absl::ZeroDuration());
  EXPECT_TRUE(book.ok()) << book.status();
  options.tokens = *std::move(book);
  return options;
}

}  // namespace ablate
