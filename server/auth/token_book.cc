#include "server/auth/token_book.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "server/auth/file_mode.h"
#include "server/auth/token_file.h"
#include "server/errors.h"
#include "spdlog/spdlog.h"

namespace ablate {
namespace {

absl::Status Unauthenticated(absl::string_view reason, absl::string_view message) {
  return ErrorWithReason(absl::StatusCode::kUnauthenticated, reason, message);
}

absl::Status Invalid() {
  return Unauthenticated("TOKEN_INVALID", "the token is unknown to this server, revoked or mistyped");
}

// Compared with where there is no record, so that this takes as long.
const TokenRecord& Nobody() {
  static const auto* const nobody = new TokenRecord{.secret_sha256 = std::string(64, '0')};
  return *nobody;
}

// Who may change the file decides who may call: what strangers may have written is not believed.
absl::StatusOr<TokenRecords> ReadTrusted(const std::string& path) {
  const std::string why = WhyChangeable(path);
  if (why.empty()) return ReadTokenFile(path);
  return absl::FailedPreconditionError(absl::StrCat("the token file ", path, " is not trusted: ", why));
}

}  // namespace

absl::StatusOr<std::unique_ptr<TokenBook>> TokenBook::Open(const std::string& path, absl::Duration look_every) {
  std::unique_ptr<TokenBook> book(new TokenBook(path, look_every));
  absl::MutexLock lock(&book->mu_);
  book->Look(absl::Now());
  if (absl::IsNotFound(book->readable_)) {
    return absl::NotFoundError(absl::StrCat("--tokens: ", book->readable_.message(),
                                            "; make one: ablate token create --file ", path,
                                            " --tenant NAME --scope scan,job"));
  }
  if (!book->readable_.ok()) {
    return absl::Status(book->readable_.code(), absl::StrCat("--tokens: ", book->readable_.message()));
  }
  return book;
}

void TokenBook::Look(absl::Time now) {
  // A clock that was set back must not blind it.
  if (now >= looked_ && now - looked_ < look_every_) return;
  looked_ = now;
  // Before the file is read: a change in between is then seen the next time.
  const auto stamp = StampOfFile(path_);
  if (readable_.ok() && stamp.has_value() && stamp == stamp_) return;
  const bool is_first = !stamp_.has_value() && readable_.ok();
  auto read = ReadTrusted(path_);
  if (!read.ok()) {
    if (!is_first && readable_.message() != read.status().message()) {
      spdlog::error("nobody is let in until the tokens can be read: {}", std::string(read.status().message()));
    }
    readable_ = read.status();
    records_.clear();
    return;
  }
  if (const std::string open = WhyTooOpen(path_); !open.empty()) spdlog::warn("{}: {}", path_, open);
  readable_ = absl::OkStatus();
  stamp_ = stamp;
  records_.clear();
  for (TokenRecord& record : *read) {
    std::string id = record.id;
    records_.emplace(std::move(id), std::move(record));
  }
  spdlog::info("{} tokens from {}", records_.size(), path_);
}

absl::StatusOr<TokenRecord> TokenBook::Check(absl::string_view token, std::optional<Scope> needed, absl::Time now) {
  const auto presented = ParseToken(token);
  std::optional<TokenRecord> record;
  {
    absl::MutexLock lock(&mu_);
    Look(now);
    if (!readable_.ok()) {
      return RetryLater(absl::StatusCode::kUnavailable, "TOKENS_UNREADABLE",
                        "the server cannot read its tokens: its log says why", absl::Seconds(5));
    }
    if (presented.has_value()) {
      if (const auto known = records_.find(presented->id); known != records_.end()) record = known->second;
    }
  }
  if (!presented.has_value()) return Invalid();
  const bool is_right = HasSecret(record.has_value() ? *record : Nobody(), presented->secret);
  if (!record.has_value() || !is_right) return Invalid();
  if (record->expires <= now) {
    return Unauthenticated("TOKEN_EXPIRED",
                           absl::StrCat("the token expired at ",
                                        absl::FormatTime(absl::RFC3339_sec, record->expires, absl::UTCTimeZone())));
  }
  if (needed.has_value() && !record->Allows(*needed)) {
    return ErrorWithReason(absl::StatusCode::kPermissionDenied, "SCOPE_MISSING",
                           absl::StrCat("the token lacks the scope `", Name(*needed), "`, which this call needs"));
  }
  return *std::move(record);
}

size_t TokenBook::size() const {
  absl::MutexLock lock(&mu_);
  return records_.size();
}

}  // namespace ablate
