#include "server/auth/token_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <set>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "engine/files/durable_file.h"
#include "engine/files/strict_json.h"
#include "server/auth/small_file.h"

namespace ablate {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr int kVersion = 1;
constexpr size_t kHashDigits = 64;

std::string UtcText(absl::Time time) {
  return absl::FormatTime(absl::RFC3339_sec, time, absl::UTCTimeZone());
}

json ToJson(const TokenRecord& record) {
  json entry = {{"id", record.id},
                {"tenant", record.tenant},
                {"scopes", json::array()},
                {"secret_sha256", record.secret_sha256},
                {"created", UtcText(record.created)}};
  for (const Scope scope : record.scopes) entry["scopes"].push_back(Name(scope));
  if (record.expires != absl::InfiniteFuture()) entry["expires"] = UtcText(record.expires);
  return entry;
}

absl::Status BadEntry(absl::string_view what) {
  return absl::InvalidArgumentError(what);
}

absl::Status ReadScopes(const json& value, std::vector<Scope>& scopes) {
  if (!value.is_array() || value.empty()) return BadEntry("scopes: expected a list of scan, job, admin");
  for (const json& item : value) {
    const auto scope = item.is_string() ? ParseScope(item.get<std::string>()) : ParseScope(item.dump());
    if (!scope.ok()) return BadEntry(absl::StrCat("scopes: ", scope.status().message()));
    scopes.push_back(*scope);
  }
  return absl::OkStatus();
}

absl::Status ReadTime(const char* key, const std::string& text, absl::Time& time) {
  std::string error;
  if (absl::ParseTime(absl::RFC3339_full, text, &time, &error)) return absl::OkStatus();
  return BadEntry(
      absl::StrCat(key, ": got ", Quote(std::string_view(text)), ", expected a time such as 2026-01-31T12:00:00Z"));
}

// A name that nobody knows may be a restriction: it is not passed over.
absl::StatusOr<TokenRecord> FromJson(const json& entry) {
  if (!entry.is_object()) return BadEntry("expected an object");
  TokenRecord record;
  std::set<std::string> missing = {"id", "tenant", "scopes", "secret_sha256", "created"};
  for (const auto& [key, value] : entry.items()) {
    missing.erase(key);
    if (key == "scopes") {
      const absl::Status read = ReadScopes(value, record.scopes);
      if (!read.ok()) return read;
      continue;
    }
    if (!value.is_string()) return BadEntry(absl::StrCat(Quote(std::string_view(key)), ": expected a text"));
    const auto text = value.get<std::string>();
    absl::Status status;
    if (key == "id") {
      record.id = text;
    } else if (key == "tenant") {
      record.tenant = text;
    } else if (key == "secret_sha256") {
      record.secret_sha256 = text;
    } else if (key == "created") {
      status = ReadTime("created", text, record.created);
    } else if (key == "expires") {
      status = ReadTime("expires", text, record.expires);
    } else {
      status = BadEntry(absl::StrCat("unknown name ", Quote(std::string_view(key))));
    }
    if (!status.ok()) return status;
  }
  if (!missing.empty()) return BadEntry(absl::StrCat(*missing.begin(), " is missing"));
  if (!IsTokenId(record.id)) return BadEntry("id: expected 16 lower-case hex digits");
  if (!IsTenantName(record.tenant)) return BadEntry("tenant: expected 1 .. 32 of a-z, 0-9 and `-`");
  const std::string& hash = record.secret_sha256;
  if (hash.size() != kHashDigits || hash.find_first_not_of("0123456789abcdef") != std::string::npos) {
    return BadEntry("secret_sha256: expected 64 lower-case hex digits");
  }
  return record;
}

// Of a file's folder, so that the file itself can be replaced. Held until its end.
class FolderLock {
 public:
  static absl::StatusOr<FolderLock> Take(const std::string& folder, absl::Duration patience) {
    FolderLock lock(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (lock.fd_ < 0) return absl::ErrnoToStatus(errno, absl::StrCat("cannot open the folder ", folder));
    for (const absl::Time end = absl::Now() + patience; flock(lock.fd_, LOCK_EX | LOCK_NB) != 0;) {
      if (errno != EWOULDBLOCK) return absl::ErrnoToStatus(errno, absl::StrCat("cannot lock the folder ", folder));
      if (absl::Now() > end) {
        return absl::UnavailableError(absl::StrCat("another program holds the folder ", folder, ": try again"));
      }
      absl::SleepFor(absl::Milliseconds(20));
    }
    return lock;
  }
  FolderLock(FolderLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FolderLock& operator=(FolderLock&&) = delete;
  ~FolderLock() {
    if (fd_ >= 0) close(fd_);
  }

 private:
  explicit FolderLock(int fd) : fd_(fd) {}
  int fd_;
};

}  // namespace

std::string FormatTokens(const TokenRecords& records) {
  json file = {{"version", kVersion}, {"tokens", json::array()}};
  for (const TokenRecord& record : records) file["tokens"].push_back(ToJson(record));
  return file.dump(1) + "\n";
}

absl::StatusOr<TokenRecords> ParseTokens(absl::string_view text, absl::string_view where) {
  const auto file = ParseStrictJson({text.data(), text.size()}, {where.data(), where.size()});
  if (!file.ok()) return file.status();
  const auto version = file->find("version");
  const auto tokens = file->find("tokens");
  if (version == file->end() || *version != kVersion || tokens == file->end() || !tokens->is_array()) {
    return absl::InvalidArgumentError(absl::StrCat(where, ": expected {\"version\": 1, \"tokens\": [...]}"));
  }
  TokenRecords records;
  std::set<std::string> ids;
  for (size_t i = 0; i < tokens->size(); ++i) {
    auto record = FromJson((*tokens)[i]);
    absl::Status status = record.status();
    if (record.ok() && !ids.insert(record->id).second) status = BadEntry("its id is that of another");
    if (!status.ok()) return absl::InvalidArgumentError(absl::StrCat(where, ": tokens[", i, "]: ", status.message()));
    records.push_back(*std::move(record));
  }
  return records;
}

absl::StatusOr<TokenRecords> ReadTokenFile(const std::string& path) {
  const auto text = ReadSmallFile(path, FileKind::kRegular);
  if (absl::IsNotFound(text.status())) return absl::NotFoundError(absl::StrCat("there is no token file ", path));
  if (!text.ok()) return absl::Status(text.status().code(), absl::StrCat("the token file ", text.status().message()));
  return ParseTokens(*text, path);
}

absl::Status ChangeTokenFile(const std::string& path, const std::function<absl::Status(TokenRecords&)>& change) {
  std::error_code error;
  const fs::path target = fs::weakly_canonical(fs::absolute(path), error);
  if (error) return absl::FailedPreconditionError(absl::StrCat("cannot find ", path, ": ", error.message()));
  const auto lock = FolderLock::Take(target.parent_path().string(), absl::Seconds(5));
  if (!lock.ok()) return lock.status();
  auto records = ReadTokenFile(target.string());
  if (!records.ok() && !absl::IsNotFound(records.status())) return records.status();
  TokenRecords changed = records.ok() ? *std::move(records) : TokenRecords();
  const absl::Status status = change(changed);
  if (!status.ok()) return status;
  const std::string text = FormatTokens(changed);
  return WriteDurably(target.string(), [&text](int64_t offset) { return offset == 0 ? text : std::string(); },
                      {.mode = 0600, .keep_owner_and_mode = true});
}

}  // namespace ablate
