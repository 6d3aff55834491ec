// Which prompts the device is busy with, on disk: what a process that died cannot say any more.
//
// A batch is noted before it runs and crossed out behind it. The bytes only have to outlive the process, not the machine, so a
// note is one write without a flush: some microseconds. A signal that kills the process is noted too, unless it is SIGKILL,
// which nobody can tell from an operator's. Nothing is blamed for a machine that went down, nor for a process that was told
// to stop and then was killed because a batch took longer than whoever stopped it would wait.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"

namespace ablate {

// What was found of the process before this one.
struct Wreck {
  // Job's number and prompt's index; empty: nothing was running.
  std::vector<std::pair<int64_t, int32_t>> running;
  // The signal that the process noted; 0: none, it was killed from outside.
  int signal = 0;
};

// Thread-safe.
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
  // The process is about to stop: nothing that still runs is to blame, whatever ends it. Note and Clear do nothing any more.
  void Retire();

  // Has SIGSEGV, SIGBUS, SIGFPE, SIGILL and SIGABRT noted here before they do what they would. Once in a process.
  void NoteFatalSignals() const;

 private:
  CrashLedger(int file, Wreck wreck) : file_(file), wreck_(std::move(wreck)) {}

  int file_;
  absl::Mutex mu_;
  int64_t size_ ABSL_GUARDED_BY(mu_) = 0;
  bool retired_ ABSL_GUARDED_BY(mu_) = false;
  Wreck wreck_;
};

}  // namespace ablate
