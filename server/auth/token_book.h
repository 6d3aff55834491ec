// The tokens that a server knows: those of a file, as it is now.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "engine/files/file_stamp.h"
#include "server/auth/token.h"

namespace ablate {

// Thread-safe.
class TokenBook {
 public:
  // Reads the file. Errors as ReadTokenFile's, the message with the way out; FailedPrecondition where others may write
  // to it. `look_every`: how long a change of the file may go unseen.
  static absl::StatusOr<std::unique_ptr<TokenBook>> Open(const std::string& path,
                                                         absl::Duration look_every = absl::Milliseconds(250));

  // Who shows this token's text, and whether it is good for `needed` (nullopt: for whatever it is). UNAUTHENTICATED:
  // TOKEN_INVALID where it is none, unknown or has another secret, which is one answer, so that nobody learns which ids
  // there are; TOKEN_EXPIRED. PERMISSION_DENIED, SCOPE_MISSING: another scope. UNAVAILABLE, TOKENS_UNREADABLE, whatever
  // is shown, as long as the file is not there, damaged, or for others to write to: whom somebody wanted to shut out
  // must not stay in.
  absl::StatusOr<TokenRecord> Check(absl::string_view token, std::optional<Scope> needed, absl::Time now);

  // How many there are.
  size_t size() const;

 private:
  using Records = absl::flat_hash_map<std::string, TokenRecord>;

  TokenBook(std::string path, absl::Duration look_every) : path_(std::move(path)), look_every_(look_every) {}
  // Reads the file again where it is another.
  void Look(absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const std::string path_;
  const absl::Duration look_every_;
  mutable absl::Mutex mu_;
  absl::Time looked_ ABSL_GUARDED_BY(mu_) = absl::InfinitePast();
  // Of what was read last; nullopt: nothing was.
  std::optional<FileStamp> stamp_ ABSL_GUARDED_BY(mu_);
  Records records_ ABSL_GUARDED_BY(mu_);
  // Why there are none.
  absl::Status readable_ ABSL_GUARDED_BY(mu_);
};

}  // namespace ablate
