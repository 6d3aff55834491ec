#include "client/cpp/cli/session.h"

#include <cstdlib>
#include <utility>

#include "absl/strings/str_cat.h"

namespace ablate::cli {
namespace {

absl::StatusOr<std::unique_ptr<client::LocalServer>> StartLocal(const CommonOptions& options,
                                                                client::Cancellation* cancellation) {
  const auto start_timeout = ParseTimeout("--start-timeout", options.start_timeout);
  if (!start_timeout.ok()) return start_timeout.status();
  client::LocalServerOptions local;
  local.model_dir = options.model;
  local.start_timeout = *start_timeout;
  local.cancellation = cancellation;
  const auto add = [&](const std::string& name, const std::string& value) {
    if (!value.empty()) local.arguments.insert(local.arguments.end(), {name, value});
  };
  add("--device", options.device);
  add("--precision", options.precision);
  add("--threads", options.threads == 0 ? "" : absl::StrCat(options.threads));
  // The user's jobs are for a server that stays: this one would run them, and keep it from them.
  add("--jobs-dir", "none");
  return client::LocalServer::Start(local);
}

std::string OrEnvironment(const std::string& value, const char* variable) {
  const char* const from_environment = std::getenv(variable);
  return value.empty() && from_environment != nullptr ? from_environment : value;
}

client::ConnectOptions Connection(const CommonOptions& options) {
  const std::string ca = OrEnvironment(options.tls_ca, "ABLATE_TLS_CA");
  return {.tls = options.tls || !ca.empty(),
          .tls_ca = ca,
          .tls_certificate = options.tls_certificate,
          .tls_key = options.tls_key,
          .token = OrEnvironment(options.token, "ABLATE_TOKEN"),
          .insecure = options.insecure};
}

}  // namespace

std::string ServerAddress(const CommonOptions& options) {
  const std::string address = OrEnvironment(options.server, "ABLATE_SERVER");
  return address.empty() ? "127.0.0.1:50051" : address;
}

absl::StatusOr<Session> Session::Open(const CommonOptions& options, absl::Duration default_timeout,
                                      client::Cancellation* cancellation) {
  Session session;
  session.call_ = {.timeout = default_timeout, .cancellation = cancellation};
  if (!options.timeout.empty()) {
    const auto timeout = ParseTimeout("--timeout", options.timeout);
    if (!timeout.ok()) return timeout.status();
    session.call_.timeout = *timeout;
  }
  if (options.local) {
    auto local = StartLocal(options, cancellation);
    if (!local.ok()) return local.status();
    session.local_ = *std::move(local);
  }
  auto client = options.local ? client::Client::Connect(session.local_->address())
                              : client::Client::Connect(ServerAddress(options), Connection(options));
  if (!client.ok()) return client.status();
  session.client_ = *std::move(client);
  return session;
}

}  // namespace ablate::cli
