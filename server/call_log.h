// Gives every call an id, which the client finds in its answer and the operator in the log.
//
// The id is the client's `x-request-id`, where that is 1 to 64 of [0-9A-Za-z._-], and a random one elsewhere. It goes back in the
// trailing metadata of every call under the same key, and into the details of an error as google.rpc.RequestInfo (AIP-193).
// What fails is logged with it; what the server is to blame for as an error.
#pragma once

#include "grpcpp/support/server_interceptor.h"

namespace ablate {

inline constexpr char kRequestIdKey[] = "x-request-id";

// For ServerBuilder::experimental().SetInterceptorCreators.
class CallLogFactory final : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  grpc::experimental::Interceptor* CreateServerInterceptor(grpc::experimental::ServerRpcInfo* info) override;
};

}  // namespace ablate
