// Gives every call an id, which the client finds in its answer and the operator in the log, and logs how calls end.
//
// The id is the client's `x-request-id`, where that is 1 to 64 of [0-9A-Za-z._-], and a random one elsewhere. It goes
// back in the trailing metadata of every call under the same key, and into the details of an error as
// google.rpc.RequestInfo (AIP-193).
//
// What the server is to blame for is logged as an error, always. What is refused or fails otherwise is info, at most 20
// lines a second, then the number of those that were left out: anybody can be refused as often as they like. The rest
// is debug. A line has the token's id as it was shown: whose call it was where the token was taken, and anybody's word
// where it was not.
//
// Calls of unknown methods are logged too. Only what gRPC ends before it looks for a method (a broken HTTP/2 stream, a
// server that shuts down) is not.
#pragma once

#include <string>

#include "grpcpp/server_context.h"
#include "grpcpp/support/server_interceptor.h"
#include "server/line_budget.h"

namespace ablate {

inline constexpr char kRequestIdKey[] = "x-request-id";

// The id that the call was given; empty in a server without a CallLogFactory.
std::string RequestIdOf(const grpc::ServerContextBase& context);

// For ServerBuilder::experimental().SetInterceptorCreators. Outlives the calls.
class CallLogFactory final : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  grpc::experimental::Interceptor* CreateServerInterceptor(grpc::experimental::ServerRpcInfo* info) override;

 private:
  LineBudget refusals_{20};
};

}  // namespace ablate
