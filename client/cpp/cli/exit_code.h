// What `ablate` tells the shell.
#pragma once

#include "absl/status/status.h"

namespace ablate::cli {

inline constexpr int kExitOk = 0;
inline constexpr int kExitFailed = 1;
inline constexpr int kExitUsage = 2;
inline constexpr int kExitUnavailable = 3;
inline constexpr int kExitDeadline = 4;
inline constexpr int kExitInterrupted = 130;
// 128 + SIGPIPE: what shells show of programs that the signal ends.
inline constexpr int kExitReaderLeft = 141;

int ExitCode(const absl::Status& status);

// For the end of --help.
inline constexpr char kExitCodesHelp[] =
    "Exit codes: 0 done; 1 failed; 2 wrong usage or the server refused the request as invalid; 3 no server, or it\n"
    "is not ready or too busy (try again); 4 not done within --timeout; 130 interrupted; 141 the output's\n"
    "reader left (... | head).";

}  // namespace ablate::cli
