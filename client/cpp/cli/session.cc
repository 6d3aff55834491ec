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
  return client::LocalServer::Start(local);
}

}  // namespace

std::string ServerAddress(const CommonOptions& options) {
  if (!options.server.empty()) return options.server;
  const char* from_environment = std::getenv("ABLATE_SERVER");
  if (from_environment != nullptr && *from_environment != '\0') return from_environment;
  return "127.0.0.1:50051";
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
  auto client = client::Client::Connect(options.local ? session.local_->address() : ServerAddress(options));
  if (!client.ok()) return client.status();
  session.client_ = *std::move(client);
  return session;
}

}  // namespace ablate::cli
