#include "server/jobs/crash_ledger.h"

#include <fcntl.h>
#include <sys/types.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>

#include "absl/strings/str_cat.h"

namespace ablate {
namespace {

constexpr char kExitNote[] = "e\n";

// Of the ledger that notes how the process dies; -1: none.
std::atomic<int> death_file = -1;
// The thread that is at work on a whole job; 0: none is.
std::atomic<pid_t> whole_job_thread = 0;

void AppendToDeathFile(const char* line, size_t size) {
  const int file = death_file.load();
  const off_t end = file < 0 ? -1 : lseek(file, 0, SEEK_END);
  if (end >= 0 && pwrite(file, line, size, end) < 0) {
    // Nothing else can be done.
  }
}

// Where a whole job is at work in another thread than the one that ends the process, the job is not to blame.
void ClearOthersBlame() {
  const pid_t owner = whole_job_thread.load();
  if (owner == 0 || owner == gettid()) return;
  const int file = death_file.exchange(-1);
  if (file >= 0 && ftruncate(file, 0) != 0) {
    // Nothing else can be done.
  }
}

// Only what is async-signal-safe. The default action follows, since the handler is gone by then (SA_RESETHAND).
void NoteSignal(int signal) {
  ClearOthersBlame();
  const std::array<char, 5> line = {'s', ' ', static_cast<char>('0' + signal / 10),
                                    static_cast<char>('0' + signal % 10), '\n'};
  AppendToDeathFile(line.data(), line.size());
  raise(signal);
}

// Libraries end the process too, e.g. OpenMP's where it gets no memory.
void NoteExit() {
  ClearOthersBlame();
  AppendToDeathFile(kExitNote, sizeof(kExitNote) - 1);
}

// Another one after each start of the machine; `-` where the kernel tells none: all starts are one then.
std::string BootId(const std::string& file) {
  std::string id;
  std::ifstream in(file);
  return in >> id ? id : "-";
}

// What the kernel's OOM killer has killed since the machine began, in any container (proc(5)); -1 where it does not
// tell.
int64_t OomKills() {
  std::ifstream in("/proc/vmstat");
  std::string name;
  int64_t count = 0;
  while (in >> name >> count) {
    if (name == "oom_kill") return count;
  }
  return -1;
}

Wreck Parse(std::istream& in, const std::string& boot_id) {
  Wreck wreck;
  std::string boot;
  int64_t oom_kills = -1;
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
    } else if (kind == "e") {
      wreck.signal = Wreck::kExit;
    } else if (kind == "b") {
      words >> boot >> oom_kills;
    }
  }
  const bool by_hand = wreck.signal == 0 && oom_kills >= 0 && OomKills() == oom_kills;
  return boot != boot_id || by_hand ? Wreck() : wreck;
}

}  // namespace

absl::StatusOr<CrashLedger> CrashLedger::Open(const std::string& path, const std::string& boot_id_file) {
  const std::string boot_id = BootId(boot_id_file);
  std::ifstream in(path);
  Wreck wreck = Parse(in, boot_id);
  const int file = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0) return absl::FailedPreconditionError(absl::StrCat("cannot open ", path, ": ", std::strerror(errno)));
  return CrashLedger(file, boot_id, std::move(wreck));
}

CrashLedger::CrashLedger(int file, const std::string& boot_id, Wreck wreck)
    : file_(file), head_(absl::StrCat("b ", boot_id, " ", OomKills(), "\n")), wreck_(std::move(wreck)) {}

// Nobody else knows `other` while it moves.
CrashLedger::CrashLedger(CrashLedger&& other) noexcept ABSL_NO_THREAD_SAFETY_ANALYSIS
    : file_(std::exchange(other.file_, -1)),
      head_(std::move(other.head_)),
      notes_(std::move(other.notes_)),
      retired_(other.retired_),
      wreck_(std::move(other.wreck_)) {}

CrashLedger::~CrashLedger() {
  if (file_ < 0) return;
  int mine = file_;
  death_file.compare_exchange_strong(mine, -1);
  close(file_);
}

// Blame is lost where it fails, and nothing else.
void CrashLedger::Write(const std::string& text, size_t at) {
  if (at == 0 && ftruncate(file_, 0) != 0) return;
  if (!text.empty() && pwrite(file_, text.data(), text.size(), static_cast<off_t>(at)) < 0) return;
}

void CrashLedger::Note(int64_t job, int32_t prompt) {
  absl::MutexLock lock(&mu_);
  if (retired_) return;
  const size_t end = notes_.size();
  if (notes_.empty()) notes_ = head_;
  absl::StrAppend(&notes_, "r ", job, " ", prompt, "\n");
  Write(notes_.substr(end), end);
  whole_job_thread = prompt == kWholeJob ? gettid() : 0;
}

void CrashLedger::Clear() {
  absl::MutexLock lock(&mu_);
  if (!retired_) ClearNotes();
}

void CrashLedger::ClearNotes() {
  notes_.clear();
  Write("", 0);
  whole_job_thread = 0;
}

void CrashLedger::Suspend() {
  absl::MutexLock lock(&mu_);
  if (!retired_) Write("", 0);
}

void CrashLedger::Resume() {
  absl::MutexLock lock(&mu_);
  if (!retired_) Write(notes_, 0);
}

void CrashLedger::Condemn() {
  absl::MutexLock lock(&mu_);
  if (retired_) return;
  if (!notes_.empty()) Write(kExitNote, notes_.size());
  retired_ = true;
}

void CrashLedger::Retire() {
  absl::MutexLock lock(&mu_);
  if (retired_) return;
  ClearNotes();
  retired_ = true;
}

void CrashLedger::NoteDeath() const {
  death_file = file_;
  static_cast<void>(std::atexit(NoteExit));
  struct sigaction action = {};
  action.sa_handler = NoteSignal;
  // A stack that has overflowed takes no handler (server/signal_stack.h).
  action.sa_flags = static_cast<int>(SA_RESETHAND) | SA_NODEFER | SA_ONSTACK;
  for (const int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT}) sigaction(signal, &action, nullptr);
}

}  // namespace ablate
