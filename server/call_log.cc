#include "server/call_log.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/string_view.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "server/random_id.h"
#include "spdlog/spdlog.h"

namespace ablate {
namespace {

using grpc::experimental::InterceptionHookPoints;

bool IsRequestId(absl::string_view id) {
  constexpr size_t kMaxBytes = 64;
  return !id.empty() && id.size() <= kMaxBytes && std::all_of(id.begin(), id.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '_' || c == '-';
  });
}

// The status with RequestInfo among its details; as it is where they cannot be read.
grpc::Status Named(const grpc::Status& status, const std::string& id) {
  google::rpc::Status details;
  if (!details.ParseFromString(status.error_details())) return status;
  if (status.error_details().empty()) {
    details.set_code(static_cast<int32_t>(status.error_code()));
    details.set_message(status.error_message());
  }
  google::rpc::RequestInfo info;
  info.set_request_id(id);
  details.add_details()->PackFrom(info);
  return {status.error_code(), status.error_message(), details.SerializeAsString()};
}

spdlog::level::level_enum LevelOf(grpc::StatusCode code) {
  switch (code) {
    case grpc::StatusCode::INTERNAL:
    case grpc::StatusCode::UNKNOWN:
    case grpc::StatusCode::DATA_LOSS:
      return spdlog::level::err;
    case grpc::StatusCode::CANCELLED:
      return spdlog::level::debug;
    default:
      return spdlog::level::info;
  }
}

class CallLog final : public grpc::experimental::Interceptor {
 public:
  explicit CallLog(const char* method) : method_(method) {}

  void Intercept(grpc::experimental::InterceptorBatchMethods* methods) override {
    if (methods->QueryInterceptionHookPoint(InterceptionHookPoints::POST_RECV_INITIAL_METADATA)) {
      Name(*methods->GetRecvInitialMetadata());
    }
    if (methods->QueryInterceptionHookPoint(InterceptionHookPoints::PRE_SEND_STATUS)) {
      methods->GetSendTrailingMetadata()->emplace(kRequestIdKey, id_);
      const grpc::Status status = methods->GetSendStatus();
      if (!status.ok()) {
        spdlog::log(LevelOf(status.error_code()), "call {} of {}: {}: {}", id_, method_,
                    absl::StatusCodeToString(static_cast<absl::StatusCode>(status.error_code())),
                    status.error_message());
        methods->ModifySendStatus(Named(status, id_));
      }
    }
    methods->Proceed();
  }

 private:
  void Name(const std::multimap<grpc::string_ref, grpc::string_ref>& metadata) {
    const auto sent = metadata.find(kRequestIdKey);
    if (sent != metadata.end()) id_.assign(sent->second.data(), sent->second.size());
    if (!IsRequestId(id_)) id_ = RandomId();
  }

  const char* const method_;
  std::string id_;
};

}  // namespace

grpc::experimental::Interceptor* CallLogFactory::CreateServerInterceptor(grpc::experimental::ServerRpcInfo* info) {
  return new CallLog(info->method());
}

}  // namespace ablate
