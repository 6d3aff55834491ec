// What `ablate` tells the shell.
#pragma once

#include "absl/status/status.h"

namespace ablate::cli {

inline constexpr int kExitOk = 0;
inline constexpr int kExitFailed = 1;
inline constexpr int kExitUsage = 2;
inline constexpr int kExitUnavailable = 3;
inline constexpr int kExitDeadline = 4;
// Of jobs.
inline constexpr int kExitPartial = 5;
inline constexpr int kExitJobCancelled = 6;
inline constexpr int kExitInterrupted = 130;
// 128 + SIGPIPE: what shells show of programs that the signal ends.
inline constexpr int kExitReaderLeft = 141;

int ExitCode(const absl::Status& status);

// An error with an exit code of its own.
absl::Status WithExitCode(absl::Status status, int code);

// For the end of --help.
inline constexpr char kExitCodesHelp[] =
    "Exit codes: 0 done; 1 failed; 2 wrong usage, or the server refused the request: something in it is invalid or\n"
    "names what the server does not have; 3 no server, or it is not ready or too busy (try again); 4 not done\n"
    "within --timeout; 5 the job ended without the prompts that were skipped; 6 the job was cancelled; 130 "
    "interrupted;\n"
    "141 the reader of the output left (... | head).";

}  // namespace ablate::cli
