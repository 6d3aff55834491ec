// A command's connection: to a named server, or to one started for it.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "client/cpp/cli/common_options.h"
#include "client/cpp/client.h"
#include "client/cpp/local_server.h"

namespace ablate::cli {

class Session {
 public:
  // `default_timeout` where the options name none.
  static absl::StatusOr<Session> Open(const CommonOptions& options, absl::Duration default_timeout,
                                      client::Cancellation* cancellation);

  client::Client& client() { return *client_; }
  // For this command's calls.
  const client::CallOptions& call() const { return call_; }

 private:
  Session() = default;
  std::unique_ptr<client::LocalServer> local_;  // outlives the client
  std::unique_ptr<client::Client> client_;
  client::CallOptions call_;
};

// The server's address by the options and the environment.
std::string ServerAddress(const CommonOptions& options);

}  // namespace ablate::cli
