// ablated's options: command line, environment (ABLATE_*), configuration file, in this order of precedence.
#pragma once

#include <optional>
#include <ostream>
#include <string>

#include "absl/time/time.h"
#include "engine/engine.h"
#include "server/server.h"

namespace ablate {

struct Options {
  ServerOptions server;
  EngineOptions engine;
  // Where the numeric floor is read; empty: beside the model.
  std::string numeric_floor;
  // Where to write the port, or the address of a unix socket; empty: nowhere.
  std::string port_file;
  // Where mean libraries are kept; unset: a folder of the user's (server/means/open_store.h); empty: nowhere.
  std::optional<std::string> means_dir;
  // Where jobs are kept; unset: a folder of the user's (server/jobs/open_store.h); empty: nowhere.
  std::optional<std::string> jobs_dir;
  absl::Duration drain_timeout = absl::Seconds(30);
  // The file of tokens; empty: nobody is asked who they are.
  std::string tokens;
  // Plain text is served to other machines too.
  bool insecure = false;
  // Stop, as at SIGTERM, when standard input ends.
  bool stop_with_stdin = false;
  std::string log_level = "info";
};

// Fills `options`. Returns the exit code where there is nothing to run: 0 after --help or --version (written to `out`),
// 2 for a bad option (one line on `err`).
std::optional<int> ParseOptions(int argc, const char* const* argv, Options& options, std::ostream& out,
                                std::ostream& err);

}  // namespace ablate
