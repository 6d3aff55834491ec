#include "server/auth/entrance.h"

#include <optional>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/time/clock.h"
#include "server/errors.h"

namespace ablate {
namespace {

// What stands behind `Bearer`; nullopt where there is no such header, or nothing but one of another scheme. Of several headers none
// counts: it is not for us to say which was meant.
std::optional<std::string> BearerToken(const grpc::CallbackServerContext& context) {
  constexpr absl::string_view kScheme = "Bearer ";
  const auto [begin, end] = context.client_metadata().equal_range("authorization");
  if (begin == end || std::next(begin) != end) return std::nullopt;
  const absl::string_view value(begin->second.data(), begin->second.size());
  if (!absl::StartsWithIgnoreCase(value, kScheme)) return std::nullopt;
  return std::string(absl::StripAsciiWhitespace(value.substr(kScheme.size())));
}

}  // namespace

absl::StatusOr<Gate::Pass> Entrance::Enter(const grpc::CallbackServerContext& context, Scope needed) {
  if (tokens_ == nullptr) return gate_->Enter("");
  const auto token = BearerToken(context);
  if (!token.has_value()) {
    return ErrorWithReason(absl::StatusCode::kUnauthenticated, "TOKEN_MISSING",
                           "this server asks for a token: send the metadata `authorization: Bearer TOKEN`, once");
  }
  auto record = tokens_->Check(*token, needed, absl::Now());
  if (!record.ok()) return record.status();
  return gate_->Enter(std::move(record->tenant));
}

}  // namespace ablate
