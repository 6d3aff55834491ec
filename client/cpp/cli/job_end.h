// How a job's end is told to the shell.
#pragma once

#include "ablation/v1/jobs.pb.h"
#include "absl/status/status.h"

namespace ablate::cli {

bool HasEnded(const ablation::v1::Job& job);

// OK where it succeeded, or has not ended; else an error with the exit code of its state, which says what is missing
// and why.
absl::Status EndOf(const ablation::v1::Job& job);

}  // namespace ablate::cli
