#include "server/jobs/sql_status.h"

#include <sqlite3.h>

#include "absl/strings/str_cat.h"

namespace ablate {

absl::Status SqlStatus(const SQLite::Exception& error, const char* what) {
  const std::string message = absl::StrCat(what, ": ", error.what());
  // The low byte is the kind, the rest its detail.
  switch (error.getErrorCode() & 0xFF) {
    case SQLITE_FULL:
      return absl::UnavailableError(absl::StrCat(what, ": the disk is full"));
    case SQLITE_IOERR:
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
      return absl::UnavailableError(message);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return absl::DataLossError(message);
    default:
      return absl::InternalError(message);
  }
}

}  // namespace ablate
