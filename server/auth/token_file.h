// The file of token records: JSON, replaced as a whole, changed by one program at a time.
//
//   {"version": 1, "tokens": [{"id": "0123456789abcdef", "tenant": "lab", "scopes": ["scan", "job"],
//                              "secret_sha256": "...", "created": "2026-01-31T12:00:00+00:00",
//                              "expires": "2026-03-02T12:00:00+00:00"}]}
//
// `expires` may be missing: never.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/auth/token.h"

namespace ablate {

// Where there are several: of each id one.
using TokenRecords = std::vector<TokenRecord>;

std::string FormatTokens(const TokenRecords& records);
// InvalidArgument, beginning with `where`, names the entry and the field at fault.
absl::StatusOr<TokenRecords> ParseTokens(absl::string_view text, absl::string_view where);

// NotFound where there is no file; FailedPrecondition where it cannot be read, as ReadSmallFile says, or is no regular
// file; InvalidArgument as ParseTokens'.
absl::StatusOr<TokenRecords> ReadTokenFile(const std::string& path);

// Reads the file (a missing one has no records), lets `change` edit the records, and writes them durably, unless it
// refuses. Who changes the file at the same time waits. A new file is for its owner only; one that is replaced keeps
// owner and permissions, and a symbolic link its target's name. Errors as ReadTokenFile's and `change`'s; Unavailable
// where another program holds the file for 5 s.
absl::Status ChangeTokenFile(const std::string& path, const std::function<absl::Status(TokenRecords&)>& change);

}  // namespace ablate
