#include "server/jobs/crash_ledger.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fstream>
#include <sstream>

#include "absl/strings/str_cat.h"

namespace ablate {
namespace {

// Of the ledger that notes signals; -1: none.
std::atomic<int> signal_file = -1;

// Only what is async-signal-safe. The default action follows, since the handler is gone by then (SA_RESETHAND).
void NoteSignal(int signal) {
  const int file = signal_file.load();
  if (file >= 0) {
    std::array<char, 8> line = {'s', ' ', static_cast<char>('0' + signal / 10), static_cast<char>('0' + signal % 10),
                                '\n'};
    const off_t end = lseek(file, 0, SEEK_END);
    if (end >= 0 && pwrite(file, line.data(), 5, end) < 0) {
      // Nothing else can be done.
    }
  }
  raise(signal);
}

// Another one after each start of the machine (random(4)); empty where the kernel tells none.
std::string BootId() {
  std::string id;
  std::ifstream("/proc/sys/kernel/random/boot_id") >> id;
  return id;
}

Wreck Parse(std::istream& in) {
  Wreck wreck;
  std::string boot;
  std::string line;
  while (std::getline(in, line)) {
    std::istringstream words(line);
    std::string kind;
    words >> kind;
    if (kind == "r") {
      int64_t job = 0;
      int32_t prompt = 0;
      if (words >> job >> prompt) wreck.running.emplace_back(job, prompt);
    } else if (kind == "s") {
      words >> wreck.signal;
    } else if (kind == "b") {
      words >> boot;
    }
  }
  return boot == BootId() ? wreck : Wreck();
}

}  // namespace

absl::StatusOr<CrashLedger> CrashLedger::Open(const std::string& path) {
  std::ifstream in(path);
  Wreck wreck = Parse(in);
  const int file = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0) return absl::FailedPreconditionError(absl::StrCat("cannot open ", path, ": ", std::strerror(errno)));
  return CrashLedger(file, std::move(wreck));
}

// Nobody else knows `other` while it moves.
CrashLedger::CrashLedger(CrashLedger&& other) noexcept ABSL_NO_THREAD_SAFETY_ANALYSIS
    : file_(std::exchange(other.file_, -1)),
      size_(other.size_),
      retired_(other.retired_),
      wreck_(std::move(other.wreck_)) {}

CrashLedger::~CrashLedger() {
  if (file_ < 0) return;
  int mine = file_;
  signal_file.compare_exchange_strong(mine, -1);
  close(file_);
}

void CrashLedger::Note(int64_t job, int32_t prompt) {
  absl::MutexLock lock(&mu_);
  if (retired_) return;
  std::string line = absl::StrCat("r ", job, " ", prompt, "\n");
  if (size_ == 0) {
    if (ftruncate(file_, 0) != 0) return;
    line.insert(0, absl::StrCat("b ", BootId(), "\n"));
  }
  const ssize_t written = pwrite(file_, line.data(), line.size(), size_);
  if (written > 0) size_ += written;
}

void CrashLedger::Clear() {
  absl::MutexLock lock(&mu_);
  if (retired_) return;
  size_ = 0;
  // Blame is lost where it fails, and nothing else.
  if (ftruncate(file_, 0) != 0) return;
}

void CrashLedger::Retire() {
  Clear();
  absl::MutexLock lock(&mu_);
  retired_ = true;
}

void CrashLedger::NoteFatalSignals() const {
  signal_file = file_;
  struct sigaction action = {};
  action.sa_handler = NoteSignal;
  action.sa_flags = static_cast<int>(SA_RESETHAND) | SA_NODEFER;
  for (const int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT}) sigaction(signal, &action, nullptr);
}

}  // namespace ablate
