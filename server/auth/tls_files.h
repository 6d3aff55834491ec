// The files of a server's TLS, read and checked before gRPC sees them: of a file that it cannot use, gRPC says only
// that it cannot listen.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace ablate {

// Paths of PEM files. All empty: plain text.
struct TlsOptions {
  // The server's certificate, with what stands between it and its CA, and its key.
  std::string certificate = {};
  std::string key = {};
  // The CA of the clients' certificates. Not empty: a client without one is refused (mutual TLS).
  std::string client_ca = {};

  bool enabled() const { return !certificate.empty(); }
};

// What the files hold.
struct TlsFiles {
  std::string certificate, key, client_ca;
  // What does not stand in the way and should be known: a key that others may read, a certificate that expires soon,
  // one of the chain or of the clients' CA that is not good now.
  std::vector<std::string> warnings;
};

// FailedPrecondition or NotFound names the option, the file and what is wrong: no PEM, a key with a passphrase, a key
// of another certificate, a certificate that has expired or is not good yet. `options` must be enabled. Each file is
// read once, so that it may be a pipe.
absl::StatusOr<TlsFiles> ReadTlsFiles(const TlsOptions& options, absl::Time now);

}  // namespace ablate
