// Where every call comes in: who is it, may it do that, and is there room?
#pragma once

#include <optional>

#include "absl/status/statusor.h"
#include "grpcpp/server_context.h"
#include "server/auth/token.h"
#include "server/auth/token_book.h"
#include "server/gate.h"

namespace ablate {

// Thread-safe. The services have no other way to the gate.
class Entrance {
 public:
  // Both are borrowed. `tokens` is null where nobody is asked: everybody is then the tenant of the empty name.
  Entrance(Gate* gate, TokenBook* tokens) : gate_(gate), tokens_(tokens) {}

  // A pass in the tenant's name. `needed`: nullopt where any token will do. UNAUTHENTICATED, TOKEN_MISSING: no
  // `authorization: Bearer TOKEN`; other errors are TokenBook::Check's and then Gate::Enter's.
  absl::StatusOr<Gate::Pass> Enter(const grpc::CallbackServerContext& context, std::optional<Scope> needed);

 private:
  Gate* const gate_;
  TokenBook* const tokens_;
};

}  // namespace ablate
