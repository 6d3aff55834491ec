// API tokens: who holds one may call, as a tenant, as far as its scopes reach. Only a secret's hash is kept.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace ablate {

// What a token is good for. `scan`: scans, tokenisation, mean libraries. `job`: jobs. `admin`: both, and whatever else
// may come; of its own tenant like every token. Each is good for the model's description, which clients of all calls
// may need.
enum class Scope { kScan, kJob, kAdmin };

std::string Name(Scope scope);

// InvalidArgument for another word than scan, job and admin.
absl::StatusOr<Scope> ParseScope(absl::string_view text);

// What is kept of a token.
struct TokenRecord {
  // 16 lower-case hex digits, not secret.
  std::string id = {};
  std::string tenant = {};
  std::vector<Scope> scopes = {};
  // Of the secret, in lower-case hex. The secret is 256 random bits, which nobody guesses however fast the hash is:
  // what bcrypt and its like are for, passwords that people choose, is not here (docs/adr/0006-identity.md).
  std::string secret_sha256 = {};
  absl::Time created = {};
  absl::Time expires = absl::InfiniteFuture();

  bool Allows(Scope scope) const;
};

// 1 .. 32 of a-z, 0-9 and `-`: fit for a folder's name whatever the file system.
bool IsTenantName(absl::string_view name);
bool IsTokenId(absl::string_view id);

struct NewToken {
  // `ablate_ID_SECRET`: told once, kept nowhere.
  std::string text;
  TokenRecord record;
};

struct TokenOptions {
  std::string tenant;
  std::vector<Scope> scopes;
  absl::Time created;
  absl::Time expires = absl::InfiniteFuture();
};

// InvalidArgument for a tenant of another name, no scope, or an end before the begin; Internal where the system gives
// no random bytes.
absl::StatusOr<NewToken> IssueToken(const TokenOptions& options);

// A token's text, taken apart; nullopt where it is none.
struct PresentedToken {
  std::string id, secret;
};
std::optional<PresentedToken> ParseToken(absl::string_view text);

// Takes the same time whatever the secret is. False where the hash cannot be computed.
bool HasSecret(const TokenRecord& record, absl::string_view secret);

}  // namespace ablate
