// Options that every command of `ablate` takes.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace CLI {
class App;
}

namespace ablate::cli {

// Characters of a help text's line, beside the flags' 30.
constexpr int kHelpWidth = 86;

struct CommonOptions {
  std::string server;  // empty: ABLATE_SERVER, else 127.0.0.1:50051
  bool local = false;
  std::string model, device, precision;
  int threads = 0;
  // Empty: ABLATE_TOKEN and ABLATE_TLS_CA.
  std::string token, tls_ca;
  bool tls = false;
  std::string tls_certificate, tls_key;
  bool insecure = false;
  std::string timeout;  // empty: the command's default
  std::string start_timeout = "2m";
};

// `options` must outlive `command`'s parsing. `default_timeout` is for the help text.
//
// Of what outlives the command (jobs): a server that is there, no local one.
void AddServerOptions(CLI::App* command, CommonOptions* options, const std::string& default_timeout);
// And a server of the command's own.
void AddCommonOptions(CLI::App* command, CommonOptions* options, const std::string& default_timeout);

// `30s`, `500ms`, `2m`, or plain seconds; positive. InvalidArgument names `option`.
absl::StatusOr<absl::Duration> ParseTimeout(const std::string& option, const std::string& text);

}  // namespace ablate::cli
