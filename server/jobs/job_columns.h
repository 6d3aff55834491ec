// A job's line in the table as the contract's message.
#pragma once

#include "SQLiteCpp/Statement.h"
#include "ablation/v1/jobs.pb.h"
#include "server/jobs/job_store.h"

namespace ablate {

// What to select for StoredJobOf, in its order.
extern const char* const kJobColumns;

// The row that the statement stands on; without the skipped prompts, the turn and the time left.
StoredJob StoredJobOf(const SQLite::Statement& row);

bool IsFinal(ablation::v1::JobState state);

}  // namespace ablate
