#include "server/call_log.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "server/auth/bearer.h"
#include "server/auth/token.h"
#include "server/quote.h"
#include "server/random_id.h"
#include "spdlog/spdlog.h"

namespace ablate {
namespace {

using grpc::experimental::InterceptionHookPoints;
using Metadata = std::multimap<grpc::string_ref, grpc::string_ref>;

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
    case grpc::StatusCode::OK:
    case grpc::StatusCode::CANCELLED:
      return spdlog::level::debug;
    default:
      return spdlog::level::info;
  }
}

// What a client may have put into a message or a path, fit for one line of a log.
std::string OneLine(absl::string_view text) {
  constexpr size_t kMaxBytes = 1000;
  return absl::Utf8SafeCHexEscape(Truncated(text, kMaxBytes));
}

// The id of the token that the call shows, not looked up; empty where it shows none.
std::string TokenIdOf(const Metadata& metadata) {
  const auto token = BearerToken(metadata);
  const auto parts = token.has_value() ? ParseToken(*token) : std::nullopt;
  return parts.has_value() ? parts->id : "";
}

class CallLog final : public grpc::experimental::Interceptor {
 public:
  CallLog(grpc::experimental::ServerRpcInfo* info, LineBudget* refusals) : info_(info), refusals_(refusals) {}

  void Intercept(grpc::experimental::InterceptorBatchMethods* methods) override {
    if (methods->QueryInterceptionHookPoint(InterceptionHookPoints::POST_RECV_INITIAL_METADATA)) {
      Read(*methods->GetRecvInitialMetadata());
    }
    if (methods->QueryInterceptionHookPoint(InterceptionHookPoints::PRE_SEND_STATUS)) {
      methods->GetSendTrailingMetadata()->emplace(kRequestIdKey, id_);
      const grpc::Status status = methods->GetSendStatus();
      Log(status);
      if (!status.ok()) methods->ModifySendStatus(Named(status, id_));
    }
    methods->Proceed();
  }

 private:
  void Read(Metadata& metadata) {
    const auto sent = metadata.find(kRequestIdKey);
    if (sent != metadata.end()) id_.assign(sent->second.data(), sent->second.size());
    if (!IsRequestId(id_)) id_ = RandomId();
    // For RequestIdOf. The map refers to bytes of others, here to ours, which live as long as the call's context.
    metadata.erase(kRequestIdKey);
    metadata.emplace(kRequestIdKey, id_);
  }

  void Log(const grpc::Status& status) const {
    const absl::Time now = absl::Now();
    if (const int64_t n = refusals_->LeftOut(now); n > 0) {
      spdlog::info("{} more calls that were refused or failed are not in the log", n);
    }
    const auto level = LevelOf(status.error_code());
    if (!spdlog::should_log(level) || (level == spdlog::level::info && !refusals_->Take(now))) return;
    const grpc::ServerContextBase& context = *info_->server_context();
    const std::string token_id = TokenIdOf(context.client_metadata());
    std::string line = absl::StrCat("call ", id_, " of ", OneLine(info_->method()), " from ", context.peer(),
                                    token_id.empty() ? "" : " with token ", token_id, ": ",
                                    absl::StatusCodeToString(static_cast<absl::StatusCode>(status.error_code())),
                                    " after ", absl::FormatDuration(absl::Trunc(now - begin_, absl::Microseconds(1))));
    if (!status.error_message().empty()) absl::StrAppend(&line, ": ", OneLine(status.error_message()));
    spdlog::log(level, "{}", line);
  }

  grpc::experimental::ServerRpcInfo* const info_;
  LineBudget* const refusals_;
  const absl::Time begin_ = absl::Now();
  std::string id_;
};

}  // namespace

std::string RequestIdOf(const grpc::ServerContextBase& context) {
  const auto found = context.client_metadata().find(kRequestIdKey);
  return found == context.client_metadata().end() ? "" : std::string(found->second.data(), found->second.size());
}

grpc::experimental::Interceptor* CallLogFactory::CreateServerInterceptor(grpc::experimental::ServerRpcInfo* info) {
  return new CallLog(info, &refusals_);
}

}  // namespace ablate
