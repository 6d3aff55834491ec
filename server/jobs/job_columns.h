// A job's line in the table as the contract's message.
#pragma once

#include <cstdint>
#include <string>

#include "SQLiteCpp/Statement.h"
#include "ablation/v1/jobs.pb.h"
#include "absl/strings/string_view.h"

namespace ablate {

// What to select for JobOf, in its order.
extern const char* const kJobColumns;

// The row that the statement stands on; without the skipped prompts, the turn and the time left.
ablation::v1::Job JobOf(const SQLite::Statement& row, int64_t* number = nullptr);

bool IsFinal(ablation::v1::JobState state);

}  // namespace ablate
