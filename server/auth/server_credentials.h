// How the server's port speaks: plain text, TLS, or mutual TLS.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "grpcpp/security/server_credentials.h"
#include "server/auth/tls_files.h"

namespace ablate {

// Plain text where `options` are not enabled. Warnings go to the log; errors as ReadTlsFiles'.
absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> MakeServerCredentials(const TlsOptions& options);

}  // namespace ablate
