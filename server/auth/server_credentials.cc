#include "server/auth/server_credentials.h"

#include <utility>

#include "absl/time/clock.h"
#include "spdlog/spdlog.h"

namespace ablate {

absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> MakeServerCredentials(const TlsOptions& options) {
  if (!options.enabled()) return grpc::InsecureServerCredentials();
  auto files = ReadTlsFiles(options, absl::Now());
  if (!files.ok()) return files.status();
  for (const std::string& warning : files->warnings) spdlog::warn("{}", warning);
  grpc::SslServerCredentialsOptions ssl(files->client_ca.empty()
                                            ? GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE
                                            : GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  ssl.pem_root_certs = std::move(files->client_ca);
  ssl.pem_key_cert_pairs.push_back({std::move(files->key), std::move(files->certificate)});
  return grpc::SslServerCredentials(ssl);
}

}  // namespace ablate
