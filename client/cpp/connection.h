// How a client reaches its server: in plain text or by TLS, with a token or without.
#pragma once

#include <grpcpp/channel.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace ablate::client {

struct ConnectOptions {
  bool tls = false;
  // PEM files, with `tls`. `ca`: who vouches for the server; empty: whom the system trusts. Certificate and key, both
  // or neither: what the server's mutual TLS asks for.
  std::string tls_ca = {}, tls_certificate = {}, tls_key = {};
  // An API token; empty: none. Sent with every call.
  std::string token = {};
  // Send the token in plain text to another machine all the same.
  bool insecure = false;
};

// Calls carry an id, `x-request-id`. InvalidArgument where the address has another form than Client::Connect knows,
// where the options do not go together, a file cannot be read, or the token would travel in plain text to another
// machine: messages name the flags of `ablate`.
absl::StatusOr<std::shared_ptr<grpc::Channel>> MakeChannel(const std::string& address, const ConnectOptions& options);

// Whether nobody but this machine can be at the address: a unix socket, `localhost`, or an address of the loopback
// device in numbers.
bool IsThisMachine(absl::string_view address);

// What to do where gRPC's words about a connection say that one side speaks TLS and the other does not, or that they do
// not trust each other; empty where they say neither.
std::string TlsWayOut(absl::string_view message);

}  // namespace ablate::client
