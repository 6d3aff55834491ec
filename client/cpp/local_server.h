// An `ablated` of one's own, on a private unix socket, that lives as long as this object.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/cpp/cancellation.h"
#include "client/cpp/private_folder.h"

namespace ablate::client {

struct LocalServerOptions {
  // Empty: ABLATE_SERVER_BIN from the environment, else `ablated` beside this program's own file.
  std::string server_binary;
  std::string model_dir;
  // Further arguments, e.g. {"--device", "cpu"}.
  std::vector<std::string> arguments;
  absl::Duration start_timeout = absl::Minutes(2);
  // How long the server may drain before it is killed.
  absl::Duration stop_timeout = absl::Seconds(5);
  // Ends the wait for the start. May be null.
  Cancellation* cancellation = nullptr;
};

class LocalServer {
 public:
  // Starts the server and waits until its health is SERVING. On failure the message holds the end of what the server
  // wrote. The kernel kills the server when the thread that called Start ends, so that it never outlives us: call it
  // from the main thread. Of our environment's ABLATE_ variables the server gets only those that say how to compute.
  static absl::StatusOr<std::unique_ptr<LocalServer>> Start(const LocalServerOptions& options);
  // SIGTERM, then SIGKILL after `stop_timeout`; removes the socket's folder.
  ~LocalServer();

  // For Client::Connect: `unix:/...`.
  std::string address() const;
  pid_t pid() const { return pid_; }

 private:
  LocalServer(PrivateFolder folder, absl::Duration stop_timeout);
  absl::Status Spawn(const std::string& binary, const LocalServerOptions& options);
  absl::Status WaitUntilServing(const LocalServerOptions& options);
  // True where the server has ended; `why` then tells how.
  bool HasEnded(std::string* why);
  // The last lines of what the server wrote, indented; empty where it wrote nothing.
  std::string LogTail() const;
  std::string LogPath() const;
  void Stop();

  PrivateFolder folder_;
  const absl::Duration stop_timeout_;
  pid_t pid_ = -1;
};

// Where Start would look: `explicit_path`, ABLATE_SERVER_BIN, or `ablated` beside this program. NotFound names them.
absl::StatusOr<std::string> FindServerBinary(const std::string& explicit_path);

}  // namespace ablate::client
