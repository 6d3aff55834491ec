#include "client/cpp/connection.h"

#include <arpa/inet.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/client_interceptor.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "client/cpp/request_id.h"

namespace ablate::client {
namespace {

bool HasScheme(absl::string_view address) {
  for (absl::string_view scheme : {"unix:", "unix-abstract:", "ipv4:", "ipv6:", "dns:"}) {
    if (absl::StartsWith(address, scheme)) return address.size() > scheme.size();
  }
  return false;
}

absl::Status CheckAddress(absl::string_view address) {
  if (HasScheme(address)) return absl::OkStatus();
  const size_t colon = address.rfind(':');
  int port = 0;
  const bool good = colon != absl::string_view::npos && colon > 0 &&
                    absl::SimpleAtoi(address.substr(colon + 1), &port) && port > 0 && port < 65536;
  if (good) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("server address `", address, "`: expected host:port with a port of 1 to 65535, or unix:/path"));
}

// The token itself stays out of every message.
absl::Status CheckToken(const std::string& address, const ConnectOptions& options) {
  if (options.token.empty()) return absl::OkStatus();
  const bool is_printable = std::all_of(options.token.begin(), options.token.end(),
                                        [](char c) { return absl::ascii_isgraph(static_cast<unsigned char>(c)); });
  if (!is_printable) {
    return absl::InvalidArgumentError("the token (--token or ABLATE_TOKEN) has characters that no token has");
  }
  if (options.tls || options.insecure || IsThisMachine(address)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("the token is not sent to ", address,
                   " in plain text, where others on the way could read it: use --tls, or say --insecure where the "
                   "network is trusted"));
}

absl::Status CheckTls(const ConnectOptions& options) {
  if (options.tls_certificate.empty() != options.tls_key.empty()) {
    return absl::InvalidArgumentError("--tls-cert and --tls-key belong together: give both");
  }
  if (!options.tls && (!options.tls_ca.empty() || !options.tls_key.empty())) {
    return absl::InvalidArgumentError("certificates are for TLS only: add --tls");
  }
  return absl::OkStatus();
}

absl::Status ReadPem(const char* option, const std::string& path, std::string& pem) {
  if (path.empty()) return absl::OkStatus();
  std::ifstream file(path, std::ios::binary);
  pem.assign(std::istreambuf_iterator<char>(file), {});
  if (file.is_open() && absl::StrContains(pem, "-----BEGIN ")) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(option, " ", path, ": ", file.is_open() ? "holds no PEM (-----BEGIN ...)" : "cannot be read"));
}

absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> MakeCredentials(const ConnectOptions& options) {
  if (!options.tls) return grpc::InsecureChannelCredentials();
  grpc::SslCredentialsOptions ssl;
  absl::Status status = ReadPem("--tls-ca", options.tls_ca, ssl.pem_root_certs);
  status.Update(ReadPem("--tls-cert", options.tls_certificate, ssl.pem_cert_chain));
  status.Update(ReadPem("--tls-key", options.tls_key, ssl.pem_private_key));
  if (!status.ok()) return status;
  return grpc::SslCredentials(ssl);
}

// Adds an id of its own to every call's metadata, and the token where there is one. (Call credentials would not go with
// plain text.)
class MetadataSender final : public grpc::experimental::Interceptor {
 public:
  explicit MetadataSender(const std::string* authorization) : authorization_(authorization) {}
  void Intercept(grpc::experimental::InterceptorBatchMethods* methods) override {
    if (methods->QueryInterceptionHookPoint(grpc::experimental::InterceptionHookPoints::PRE_SEND_INITIAL_METADATA)) {
      auto& metadata = *methods->GetSendInitialMetadata();
      metadata.insert({"x-request-id", MakeRequestId()});
      if (!authorization_->empty()) metadata.insert({"authorization", *authorization_});
    }
    methods->Proceed();
  }

 private:
  const std::string* const authorization_;
};

class MetadataSenders final : public grpc::experimental::ClientInterceptorFactoryInterface {
 public:
  explicit MetadataSenders(const std::string& token)
      : authorization_(token.empty() ? "" : absl::StrCat("Bearer ", token)) {}
  grpc::experimental::Interceptor* CreateClientInterceptor(grpc::experimental::ClientRpcInfo* /*info*/) override {
    return new MetadataSender(&authorization_);
  }

 private:
  const std::string authorization_;
};

}  // namespace

bool IsThisMachine(absl::string_view address) {
  if (absl::StartsWith(address, "unix:") || absl::StartsWith(address, "unix-abstract:")) return true;
  if (!absl::ConsumePrefix(&address, "ipv4:")) absl::ConsumePrefix(&address, "ipv6:");
  const std::string host(address.substr(0, address.rfind(':')));
  if (host == "localhost" || host == "[::1]") return true;
  in_addr ip = {};
  constexpr unsigned kLoopbackNet = 127;
  return inet_pton(AF_INET, host.c_str(), &ip) == 1 && ntohl(ip.s_addr) >> 24 == kLoopbackNet;
}

absl::StatusOr<std::shared_ptr<grpc::Channel>> MakeChannel(const std::string& address, const ConnectOptions& options) {
  absl::Status status = CheckAddress(address);
  if (status.ok()) status = CheckTls(options);
  if (status.ok()) status = CheckToken(address, options);
  if (!status.ok()) return status;
  const auto credentials = MakeCredentials(options);
  if (!credentials.ok()) return credentials.status();
  grpc::ChannelArguments arguments;
  // Streams fit into gRPC's default of 4 MB, Tokenize's single answer need not.
  arguments.SetMaxReceiveMessageSize(-1);
  // Who tries again does so within seconds: a channel that waits for minutes would answer in its place.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 200);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 2000);
  arguments.SetUserAgentPrefix("ablate/" ABLATE_VERSION);
  // A proxy set for the outside world must not stand between us and this machine.
  if (IsThisMachine(address)) arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  std::vector<std::unique_ptr<grpc::experimental::ClientInterceptorFactoryInterface>> senders;
  senders.push_back(std::make_unique<MetadataSenders>(options.token));
  return grpc::experimental::CreateCustomChannelWithInterceptors(address, *credentials, arguments, std::move(senders));
}

std::string TlsWayOut(absl::string_view message) {
  const std::string lower = absl::AsciiStrToLower(message);
  const auto says = [&lower](absl::string_view part) { return absl::StrContains(lower, part); };
  if (says("wrong_version_number") || says("wrong version number")) {
    return "the server speaks plain text: drop --tls, or start it with --tls-cert and --tls-key";
  }
  if (says("certificate_verify_failed") || says("certificate verify failed")) {
    return "the server's certificate is of no CA that is trusted here: name its CA with --tls-ca FILE";
  }
  // Somebody takes connections and hangs up at the first bytes.
  if (says("failed to connect") && (says("socket closed") || says("connection reset"))) {
    return "if the server speaks TLS, add --tls (or --tls-ca FILE), and --tls-cert with --tls-key where it asks for a "
           "certificate of yours";
  }
  if (says("peer name")) return "the server's certificate is for another name: give one that it names with --server";
  return "";
}

}  // namespace ablate::client
