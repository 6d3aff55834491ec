// Which prompts the device is busy with, on disk: what a process that died cannot say any more.
//
// A batch is noted before it runs and crossed out behind it. The bytes only have to outlive the process, not the
// machine, so a note is one write without a flush: some microseconds. A signal that kills the process is noted too, and
// so is its exit. SIGKILL cannot be: it counts where the kernel's OOM killer has killed something since the process
// began, or does not tell, else it came from somebody's hand. Nothing is blamed for a machine that went down either,
// nor for a process that was told to stop and then was killed because a batch took longer than whoever stopped it would
// wait.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"

namespace ablate {

// Instead of a prompt's index: the job is at work outside of batches, in the thread that notes it.
inline constexpr int32_t kWholeJob = -1;

// What was found of the process before this one.
struct Wreck {
  static constexpr int kExit = -1;

  // Job's number and prompt's index; empty: nothing was running, or nothing that ran is to blame.
  std::vector<std::pair<int64_t, int32_t>> running;
  // The signal that the process noted; kExit: it ended itself; 0: neither, it was killed from outside.
  int signal = 0;
};

// Thread-safe.
class CrashLedger {
 public:
  // Reads what is there; the file stays as it is until the first Note or Clear.
  // `boot_id_file`: random(4).
  static absl::StatusOr<CrashLedger> Open(const std::string& path,
                                          const std::string& boot_id_file = "/proc/sys/kernel/random/boot_id");

  CrashLedger(CrashLedger&& other) noexcept;
  CrashLedger& operator=(CrashLedger&&) = delete;
  ~CrashLedger();

  const Wreck& wreck() const { return wreck_; }

  // These run from now on, beside those noted before.
  void Note(int64_t job, int32_t prompt);
  // Nothing runs.
  void Clear();
  // Nothing runs for a while; what was noted runs again.
  void Suspend();
  void Resume();
  // What runs has cost the process its device: the next one takes it as if this one had ended itself meanwhile. The
  // others do nothing any more.
  void Condemn();
  // The process is about to stop: nothing that still runs is to blame, whatever ends it. The others do nothing any
  // more.
  void Retire();

  // Has an exit and SIGSEGV, SIGBUS, SIGFPE, SIGILL and SIGABRT noted here before they do what they would. Once in a
  // process.
  void NoteDeath() const;

 private:
  CrashLedger(int file, const std::string& boot_id, Wreck wreck);
  void ClearNotes() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Write(const std::string& text, size_t at) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  int file_;
  // What the file begins with: by what the next process judges whether anything is to blame.
  std::string head_;
  absl::Mutex mu_;
  // What is in the file, where it is not suspended.
  std::string notes_ ABSL_GUARDED_BY(mu_);
  bool retired_ ABSL_GUARDED_BY(mu_) = false;
  Wreck wreck_;
};

// Notes a job as a whole while it lives.
class WholeJobNote {
 public:
  WholeJobNote(CrashLedger* ledger, int64_t job) : ledger_(ledger) { ledger_->Note(job, kWholeJob); }
  ~WholeJobNote() { ledger_->Clear(); }
  WholeJobNote(const WholeJobNote&) = delete;
  WholeJobNote& operator=(const WholeJobNote&) = delete;

 private:
  CrashLedger* const ledger_;
};

}  // namespace ablate
