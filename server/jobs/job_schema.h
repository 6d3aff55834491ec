// The tables of the job store, and how a file that an older server wrote becomes one of this one's.
#pragma once

#include "SQLiteCpp/Database.h"
#include "absl/status/status.h"

namespace ablate {

// What this server reads and writes. Steps lead from each version to the next.
inline constexpr int kJobSchemaVersion = 4;

// FailedPrecondition where the file is of a version newer than `version`, or is no job store. Only reads. Throws as
// SQLiteCpp does.
absl::Status CheckJobSchema(SQLite::Database& database, int version = kJobSchemaVersion);

// Makes the tables in an empty file, or brings those of an older version up to `version`, all in one transaction.
// Errors as CheckJobSchema's.
absl::Status MigrateJobSchema(SQLite::Database& database, int version = kJobSchemaVersion);

}  // namespace ablate
