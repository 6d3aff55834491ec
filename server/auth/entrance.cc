#include "server/auth/entrance.h"

#include <utility>

#include "absl/time/clock.h"
#include "server/auth/bearer.h"
#include "server/call_log.h"
#include "server/errors.h"
#include "spdlog/spdlog.h"

namespace ablate {

absl::StatusOr<Gate::Pass> Entrance::Enter(const grpc::CallbackServerContext& context, std::optional<Scope> needed) {
  if (tokens_ == nullptr) return gate_->Enter("");
  const auto token = BearerToken(context.client_metadata());
  if (!token.has_value()) {
    return ErrorWithReason(absl::StatusCode::kUnauthenticated, "TOKEN_MISSING",
                           "this server asks for a token: send the metadata `authorization: Bearer TOKEN`, once");
  }
  auto record = tokens_->Check(*token, needed, absl::Now());
  if (!record.ok()) return record.status();
  spdlog::debug("call {}: token {} of {}", RequestIdOf(context), record->id, record->tenant);
  return gate_->Enter(std::move(record->tenant));
}

}  // namespace ablate
