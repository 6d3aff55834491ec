// Which prompts the device is busy with, on disk: what a process that died cannot say any more.
//
// A batch is noted before it runs and crossed out behind it. The bytes only have to outlive the process, not the machine, so a
// note is one write without a flush: some microseconds. A signal that kills the process is noted too, unless it is SIGKILL,
// which nobody can tell from an operator's.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

namespace ablate {

// What was found of the process before this one.
struct Wreck {
  // Job's number and prompt's index; empty: nothing was running.
  std::vector<std::pair<int64_t, int32_t>> running;
  // The signal that the process noted; 0: none, it was killed from outside.
  int signal = 0;
};

// Not thread-safe, but for the signal handler.
class CrashLedger {
 public:
  // Reads what is there; the file stays as it is until the first Note or Clear.
  static absl::StatusOr<CrashLedger> Open(const std::string& path);

  CrashLedger(CrashLedger&& other) noexcept;
  CrashLedger& operator=(CrashLedger&&) = delete;
  ~CrashLedger();

  const Wreck& wreck() const { return wreck_; }

  // These run from now on, beside those noted before.
  void Note(int64_t job, int32_t prompt);
  // Nothing runs.
  void Clear();

  // Has SIGSEGV, SIGBUS, SIGFPE, SIGILL and SIGABRT noted here before they do what they would. Once in a process.
  void NoteFatalSignals() const;

 private:
  CrashLedger(int file, Wreck wreck) : file_(file), wreck_(std::move(wreck)) {}
  void Write(const std::string& line);

  int file_;
  int64_t size_ = 0;
  Wreck wreck_;
};

}  // namespace ablate
