#include "server/auth/token.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include <algorithm>
#include <cstdint>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "engine/files/sha256.h"

namespace ablate {
namespace {

constexpr absl::string_view kPrefix = "ablate_";
constexpr size_t kIdDigits = 16;
constexpr size_t kSecretBytes = 32;
// In base64, without padding.
constexpr size_t kSecretChars = 43;

absl::StatusOr<std::string> RandomBytes(size_t n) {
  std::string bytes(n, '\0');
  if (RAND_bytes(reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(n)) != 1) {
    return absl::InternalError("the system gives no random bytes");
  }
  return bytes;
}

absl::StatusOr<std::string> Sha256Of(absl::string_view text) {
  const absl::Span<const uint8_t> piece(reinterpret_cast<const uint8_t*>(text.data()), text.size());
  return Sha256Hex(absl::MakeConstSpan(&piece, 1));
}

bool IsSecretChar(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_';
}

}  // namespace

std::string Name(Scope scope) {
  switch (scope) {
    case Scope::kScan:
      return "scan";
    case Scope::kJob:
      return "job";
    case Scope::kAdmin:
      break;
  }
  return "admin";
}

absl::StatusOr<Scope> ParseScope(absl::string_view text) {
  for (const Scope scope : {Scope::kScan, Scope::kJob, Scope::kAdmin}) {
    if (text == Name(scope)) return scope;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("got the scope `", absl::CHexEscape(text.substr(0, 40)), "`, expected scan, job or admin"));
}

bool TokenRecord::Allows(Scope scope) const {
  return std::any_of(scopes.begin(), scopes.end(),
                     [scope](Scope mine) { return mine == scope || mine == Scope::kAdmin; });
}

bool IsTenantName(absl::string_view name) {
  constexpr size_t kMostChars = 32;
  return !name.empty() && name.size() <= kMostChars && std::all_of(name.begin(), name.end(), [](char c) {
    return absl::ascii_islower(static_cast<unsigned char>(c)) || absl::ascii_isdigit(static_cast<unsigned char>(c)) ||
           c == '-';
  });
}

bool IsTokenId(absl::string_view id) {
  return id.size() == kIdDigits && id.find_first_not_of("0123456789abcdef") == absl::string_view::npos;
}

absl::StatusOr<NewToken> IssueToken(const TokenOptions& options) {
  if (!IsTenantName(options.tenant)) {
    return absl::InvalidArgumentError(absl::StrCat("got the tenant `", absl::CHexEscape(options.tenant.substr(0, 40)),
                                                   "`, expected 1 .. 32 of a-z, 0-9 and `-`"));
  }
  if (options.scopes.empty()) return absl::InvalidArgumentError("got no scope, expected scan, job or admin");
  if (options.expires <= options.created) {
    return absl::InvalidArgumentError("the token would have expired before it is made, expected a later end");
  }
  const auto id = RandomBytes(kIdDigits / 2);
  const auto secret_bytes = RandomBytes(kSecretBytes);
  if (!id.ok()) return id.status();
  if (!secret_bytes.ok()) return secret_bytes.status();
  const std::string secret = absl::WebSafeBase64Escape(*secret_bytes);
  auto hash = Sha256Of(secret);
  if (!hash.ok()) return hash.status();
  NewToken token;
  token.record = {.id = absl::BytesToHexString(*id),
                  .tenant = options.tenant,
                  .scopes = options.scopes,
                  .secret_sha256 = *std::move(hash),
                  .created = options.created,
                  .expires = options.expires};
  token.text = absl::StrCat(kPrefix, token.record.id, "_", secret);
  return token;
}

std::optional<PresentedToken> ParseToken(absl::string_view text) {
  if (!absl::ConsumePrefix(&text, kPrefix) || text.size() != kIdDigits + 1 + kSecretChars) return std::nullopt;
  const absl::string_view id = text.substr(0, kIdDigits);
  const absl::string_view secret = text.substr(kIdDigits + 1);
  if (text[kIdDigits] != '_' || !IsTokenId(id) || !std::all_of(secret.begin(), secret.end(), &IsSecretChar)) {
    return std::nullopt;
  }
  return PresentedToken{.id = std::string(id), .secret = std::string(secret)};
}

bool HasSecret(const TokenRecord& record, absl::string_view secret) {
  const auto hash = Sha256Of(secret);
  return hash.ok() && hash->size() == record.secret_sha256.size() &&
         CRYPTO_memcmp(hash->data(), record.secret_sha256.data(), hash->size()) == 0;
}

}  // namespace ablate
