// From SQLite's exceptions to absl::Status: none leaves this folder.
#pragma once

#include <utility>

#include "SQLiteCpp/Exception.h"
#include "absl/status/status.h"

namespace ablate {

// Unavailable where the disk is full or does not take or give data, or another process holds the file; DataLoss where
// it is damaged; Internal elsewhere. The message begins with `what`, e.g. `the job store`.
absl::Status SqlStatus(const SQLite::Exception& error, const char* what);

// What `work` returns, a Status or a StatusOr, or its exception as one.
template <typename Work>
auto CaughtSql(const char* what, Work&& work) -> decltype(work()) {
  try {
    return std::forward<Work>(work)();
  } catch (const SQLite::Exception& error) {
    return SqlStatus(error, what);
  }
}

}  // namespace ablate
