#include "client/cpp/local_server.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "client/cpp/client.h"

namespace ablate::client {
namespace {

constexpr char kSocketName[] = "ablated.sock";
constexpr absl::Duration kPoll = absl::Milliseconds(20);

// What RunChild needs, made before the fork: behind it only async-signal-safe calls are allowed, and no memory.
struct ChildPlan {
  char* const* argv;
  char* const* envp;
  int log_fd;
  // Takes the errno of an exec that failed; closed by one that did not.
  int error_fd;
  pid_t parent;
};

// In the child, between fork and exec.
[[noreturn]] void RunChild(const ChildPlan& plan) {
  // A group of its own: Ctrl-C at the terminal reaches us, and we stop the server in order.
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != plan.parent) _exit(127);  // The parent died before prctl.
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  signal(SIGPIPE, SIG_DFL);
  const int null_fd = open("/dev/null", O_RDONLY);
  dup2(null_fd, STDIN_FILENO);
  dup2(plan.log_fd, STDOUT_FILENO);
  dup2(plan.log_fd, STDERR_FILENO);
  execve(plan.argv[0], plan.argv, plan.envp);
  const int error = errno;
  if (write(plan.error_fd, &error, sizeof(error)) != sizeof(error)) _exit(126);
  _exit(127);
}

// Our environment without what configures an `ablated` (each of its options is also an ABLATE_ variable): a port file
// or a limit meant for another server must not hold for this one. What says how to compute,
// and with which means, stays.
std::vector<std::string> ServerEnvironment() {
  constexpr absl::string_view kKept[] = {
      "ABLATE_DEVICE=",        "ABLATE_PRECISION=", "ABLATE_THREADS=",  "ABLATE_MAX_PACKED_TOKENS=",
      "ABLATE_MEMORY_BUDGET=", "ABLATE_LOG_LEVEL=", "ABLATE_MEANS_DIR="};
  std::vector<std::string> entries;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const absl::string_view text = *entry;
    const bool is_kept = std::any_of(std::begin(kKept), std::end(kKept),
                                     [text](absl::string_view kept) { return absl::StartsWith(text, kept); });
    if (is_kept || !absl::StartsWith(text, "ABLATE_")) entries.emplace_back(text);
  }
  return entries;
}

// Null-terminated, as exec wants it; valid while `texts` is.
std::vector<char*> Pointers(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  pointers.reserve(texts.size() + 1);
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

bool IsProgram(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::is_regular_file(path, ignored) && access(path.c_str(), X_OK) == 0;
}

}  // namespace

absl::StatusOr<std::string> FindServerBinary(const std::string& explicit_path) {
  std::string path = explicit_path;
  const char* from_environment = getenv("ABLATE_SERVER_BIN");
  if (path.empty() && from_environment != nullptr) path = from_environment;
  std::error_code ignored;
  if (path.empty()) {
    path = std::filesystem::read_symlink("/proc/self/exe", ignored).replace_filename("ablated").string();
  }
  if (IsProgram(path)) return path;
  return absl::NotFoundError(absl::StrCat(
      "no server program at ", path, "; build `ablated`, or name one in the environment variable ABLATE_SERVER_BIN"));
}

LocalServer::LocalServer(PrivateFolder folder, absl::Duration stop_timeout)
    : folder_(std::move(folder)), stop_timeout_(stop_timeout) {}

LocalServer::~LocalServer() {
  Stop();
}

std::string LocalServer::address() const {
  return absl::StrCat("unix:", folder_.path(), "/", kSocketName);
}

std::string LocalServer::LogPath() const {
  return absl::StrCat(folder_.path(), "/ablated.log");
}

absl::StatusOr<std::unique_ptr<LocalServer>> LocalServer::Start(const LocalServerOptions& options) {
  auto binary = FindServerBinary(options.server_binary);
  if (!binary.ok()) return binary.status();
  auto folder = PrivateFolder::Make();
  if (!folder.ok()) return folder.status();
  std::unique_ptr<LocalServer> server(new LocalServer(*std::move(folder), options.stop_timeout));
  if (auto status = server->Spawn(*binary, options); !status.ok()) return status;
  if (auto status = server->WaitUntilServing(options); !status.ok()) return status;
  return server;
}

absl::Status LocalServer::Spawn(const std::string& binary, const LocalServerOptions& options) {
  std::vector<std::string> arguments = {binary, "--model", options.model_dir, "--listen", address()};
  arguments.insert(arguments.end(), options.arguments.begin(), options.arguments.end());
  std::vector<std::string> environment = ServerEnvironment();
  const std::vector<char*> argv = Pointers(arguments), envp = Pointers(environment);

  const int log_fd = open(LogPath().c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (log_fd < 0) return absl::ErrnoToStatus(errno, absl::StrCat("cannot write ", LogPath()));
  int error_pipe[2];
  if (pipe2(error_pipe, O_CLOEXEC) != 0) {
    const int error = errno;
    close(log_fd);
    return absl::ErrnoToStatus(error, "cannot start a process for ablated");
  }
  const ChildPlan plan = {argv.data(), envp.data(), log_fd, error_pipe[1], getpid()};
  pid_ = fork();
  if (pid_ == 0) RunChild(plan);
  const int fork_error = errno;
  close(log_fd);
  close(error_pipe[1]);
  int exec_error = 0;
  ssize_t n = 0;
  // The end comes with exec, or with the child.
  do {
    n = pid_ > 0 ? read(error_pipe[0], &exec_error, sizeof(exec_error)) : 0;
  } while (n < 0 && errno == EINTR);
  close(error_pipe[0]);
  if (pid_ < 0) return absl::ErrnoToStatus(fork_error, "cannot start a process for ablated");
  if (n != sizeof(exec_error)) return absl::OkStatus();
  waitpid(std::exchange(pid_, -1), nullptr, 0);
  return absl::ErrnoToStatus(exec_error, absl::StrCat("cannot run ", binary));
}

absl::Status LocalServer::WaitUntilServing(const LocalServerOptions& options) {
  auto client = Client::Connect(address());
  if (!client.ok()) return client.status();
  const absl::Time end = absl::Now() + options.start_timeout;
  std::string why;
  while (absl::Now() < end) {
    if (HasEnded(&why))
      return absl::InternalError(absl::StrCat("the local server ", why, " while starting", LogTail()));
    // Asking before the socket is there would put gRPC's reconnection on hold for a second.
    std::error_code ignored;
    if (std::filesystem::exists(absl::StrCat(folder_.path(), "/", kSocketName), ignored)) {
      const auto health = (*client)->Health({.timeout = absl::Seconds(2), .cancellation = options.cancellation});
      if (health.ok() && *health == grpc::health::v1::HealthCheckResponse::SERVING) return absl::OkStatus();
    }
    if (options.cancellation == nullptr) {
      absl::SleepFor(kPoll);
    } else if (options.cancellation->WaitFor(kPoll)) {
      return absl::CancelledError("interrupted");
    }
  }
  return absl::DeadlineExceededError(
      absl::StrCat("the local server was not ready within ", absl::FormatDuration(options.start_timeout), LogTail()));
}

bool LocalServer::HasEnded(std::string* why) {
  int wait_status = 0;
  if (pid_ <= 0 || waitpid(pid_, &wait_status, WNOHANG) == 0) return false;
  pid_ = -1;
  *why = WIFSIGNALED(wait_status) ? absl::StrCat("was ended by signal ", WTERMSIG(wait_status))
                                  : absl::StrCat("ended with exit code ", WEXITSTATUS(wait_status));
  return true;
}

std::string LocalServer::LogTail() const {
  constexpr std::streamoff kMostBytes = 8192;
  constexpr size_t kMostLines = 20;
  std::ifstream file(LogPath(), std::ios::binary | std::ios::ate);
  if (!file || file.tellg() <= 0) return "; it wrote nothing";
  file.seekg(std::max<std::streamoff>(0, static_cast<std::streamoff>(file.tellg()) - kMostBytes));
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  std::vector<std::string> lines = absl::StrSplit(text, '\n', absl::SkipWhitespace());
  if (lines.size() > kMostLines) lines.erase(lines.begin(), lines.end() - kMostLines);
  std::string tail = "; it wrote:";
  for (const std::string& line : lines) absl::StrAppend(&tail, "\n  ", line);
  return tail;
}

void LocalServer::Stop() {
  std::string ignored;
  if (pid_ <= 0) return;
  kill(pid_, SIGTERM);
  for (const absl::Time end = absl::Now() + stop_timeout_; absl::Now() < end; absl::SleepFor(kPoll)) {
    if (HasEnded(&ignored)) return;
  }
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

}  // namespace ablate::client
