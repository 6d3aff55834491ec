#include "server/jobs/job_schema.h"

#include <array>

#include "SQLiteCpp/Column.h"
#include "SQLiteCpp/Transaction.h"
#include "absl/strings/str_cat.h"

namespace ablate {
namespace {

// "ABLJ", which SQLite keeps for us in the file's header.
constexpr int kApplicationId = 0x41424C4A;

// Never edited: a step that was released is part of files out there.
constexpr std::array<const char*, kJobSchemaVersion> kSteps = {
    // 1: `number` is the order of submission and of turns. Offsets count a job's results without gaps. Whatever belongs
    // to a job is found by its number; a job that is deleted goes at once, its results piece by piece
    // (JobStore::Sweep).
    R"sql(
CREATE TABLE jobs (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  request_id TEXT NOT NULL,
  display_name TEXT NOT NULL,
  request_sha256 TEXT NOT NULL,
  weights_sha256 TEXT NOT NULL,
  state INTEGER NOT NULL,
  created_ms INTEGER NOT NULL,
  started_ms INTEGER NOT NULL DEFAULT 0,
  ended_ms INTEGER NOT NULL DEFAULT 0,
  n_prompts INTEGER NOT NULL,
  prompts_done INTEGER NOT NULL DEFAULT 0,
  cost INTEGER NOT NULL,
  cost_done INTEGER NOT NULL DEFAULT 0,
  n_results INTEGER NOT NULL DEFAULT 0,
  result_bytes INTEGER NOT NULL DEFAULT 0,
  error_code INTEGER NOT NULL DEFAULT 0,
  error_reason TEXT NOT NULL DEFAULT '',
  error_message TEXT NOT NULL DEFAULT ''
);
CREATE INDEX jobs_by_state ON jobs (state, number);
CREATE TABLE requests (
  job INTEGER PRIMARY KEY,
  request BLOB NOT NULL
);
CREATE TABLE results (
  job INTEGER NOT NULL,
  place INTEGER NOT NULL,
  message BLOB NOT NULL,
  UNIQUE (job, place)
);
CREATE TABLE prompts_done (
  job INTEGER NOT NULL,
  prompt INTEGER NOT NULL,
  PRIMARY KEY (job, prompt)
) WITHOUT ROWID;
CREATE TABLE choices (
  job INTEGER NOT NULL,
  prompt INTEGER NOT NULL,
  message BLOB NOT NULL,
  UNIQUE (job, prompt)
);
CREATE TABLE crashes (
  job INTEGER NOT NULL,
  prompt INTEGER NOT NULL,
  together INTEGER NOT NULL DEFAULT 0,
  alone INTEGER NOT NULL DEFAULT 0,
  killed INTEGER NOT NULL DEFAULT 0,
  skip_reason TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (job, prompt)
) WITHOUT ROWID;
)sql",
    // 2: jobs belong to tenants, and a request_id is the tenant's own.
    R"sql(
ALTER TABLE jobs ADD COLUMN tenant TEXT NOT NULL DEFAULT '';
CREATE INDEX jobs_by_tenant ON jobs (tenant, number);
CREATE UNIQUE INDEX jobs_by_request_id ON jobs (tenant, request_id) WHERE request_id != '';
)sql",
    // 3: what a job that has begun was begun in, and what its request takes, which goes when it ends; deleted jobs that
    // still have results; `turn` rises from one tenant's start of a job to the next one's. The states 1 and 2 have not
    // ended.
    R"sql(
ALTER TABLE jobs ADD COLUMN runs_as TEXT NOT NULL DEFAULT '';
ALTER TABLE jobs ADD COLUMN request_bytes INTEGER NOT NULL DEFAULT 0;
DELETE FROM requests WHERE job IN (SELECT number FROM jobs WHERE state NOT IN (1, 2));
DELETE FROM prompts_done WHERE job IN (SELECT number FROM jobs WHERE state NOT IN (1, 2));
UPDATE jobs SET request_bytes = coalesce((SELECT length(request) FROM requests WHERE job = number), 0);
CREATE TABLE dropped (job INTEGER PRIMARY KEY);
INSERT INTO dropped SELECT DISTINCT job FROM results WHERE job NOT IN (SELECT number FROM jobs);
CREATE TABLE tenants (
  tenant TEXT PRIMARY KEY,
  turn INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO tenants SELECT tenant, max(started_ms) FROM jobs WHERE started_ms > 0 GROUP BY tenant;
)sql",
    // 4: what a job has taken of the engine (EngineUse).
    R"sql(
ALTER TABLE jobs ADD COLUMN plan_ns INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN forward_ns INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN readout_ns INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN forward_passes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN peak_bytes INTEGER NOT NULL DEFAULT 0;
)sql",
};

int Pragma(SQLite::Database& database, const char* name) {
  return database.execAndGet(absl::StrCat("PRAGMA ", name)).getInt();
}

}  // namespace

absl::Status CheckJobSchema(SQLite::Database& database, int version) {
  const int from = Pragma(database, "user_version");
  const int tables = database.execAndGet("SELECT count(*) FROM sqlite_schema").getInt();
  if (tables > 0 && Pragma(database, "application_id") != kApplicationId) {
    return absl::FailedPreconditionError("it is an SQLite file of another program");
  }
  if (from > version) {
    return absl::FailedPreconditionError(absl::StrCat(
        "it is of version ", from, ", written by a newer server; this one knows ", "versions up to ", version));
  }
  return absl::OkStatus();
}

absl::Status MigrateJobSchema(SQLite::Database& database, int version) {
  absl::Status known = CheckJobSchema(database, version);
  const int from = Pragma(database, "user_version");
  if (!known.ok() || from == version) return known;
  SQLite::Transaction transaction(database);
  for (int step = from; step < version; ++step) database.exec(kSteps.at(static_cast<size_t>(step)));
  database.exec(absl::StrCat("PRAGMA application_id = ", kApplicationId));
  database.exec(absl::StrCat("PRAGMA user_version = ", version));
  transaction.commit();
  return absl::OkStatus();
}

}  // namespace ablate
