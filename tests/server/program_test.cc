// ablated as a process: exit codes, signals, the port file.
#include "server/program.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"
#include "tests/server/scan_call.h"

namespace ablate {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

std::string ReadFile(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

class Process {
 public:
  explicit Process(std::vector<std::string> arguments) : base_(testing::TempDir() + "ablated-" + Unique()) {
    arguments.insert(arguments.begin(), {FAKE_ABLATED, "--listen=127.0.0.1:0", "--port-file=" + base_ + ".port"});
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    int stdin_pipe[2] = {-1, -1};
    if (pipe2(stdin_pipe, O_CLOEXEC) != 0) ADD_FAILURE() << "no pipe";
    pid_ = fork();
    if (pid_ == 0) {
      dup2(stdin_pipe[0], STDIN_FILENO);
      dup2(open((base_ + ".out").c_str(), O_CREAT | O_WRONLY | O_TRUNC, 0600), STDOUT_FILENO);
      dup2(open((base_ + ".err").c_str(), O_CREAT | O_WRONLY | O_TRUNC, 0600), STDERR_FILENO);
      execv(FAKE_ABLATED, argv.data());
      _exit(127);
    }
    close(stdin_pipe[0]);
    stdin_ = stdin_pipe[1];
  }
  ~Process() {
    CloseStdin();
    if (pid_ > 0) {
      kill(pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
    }
    for (const char* suffix : {".out", ".err", ".port"}) unlink((base_ + suffix).c_str());
  }

  void Signal(int signal) { kill(pid_, signal); }
  void WriteStdin(std::string_view text) {
    ASSERT_EQ(write(stdin_, text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  void CloseStdin() {
    if (stdin_ >= 0) close(std::exchange(stdin_, -1));
  }
  // The exit code, -1 after 20 s, 1000 + the signal where one killed it.
  int Wait() {
    for (int i = 0; i < 2000; ++i) {
      int status = 0;
      if (waitpid(pid_, &status, WNOHANG) == pid_) {
        pid_ = -1;
        return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
      }
      absl::SleepFor(absl::Milliseconds(10));
    }
    return -1;
  }
  // Waits for text on an output.
  bool WaitFor(const std::string& suffix, const std::string& text) {
    for (int i = 0; i < 2000; ++i) {
      if (ReadFile(base_ + suffix).find(text) != std::string::npos) return true;
      absl::SleepFor(absl::Milliseconds(10));
    }
    return false;
  }
  bool WaitUntilServing() { return WaitFor(".out", "serving on"); }
  const std::string& base() const { return base_; }
  std::string err() const { return ReadFile(base_ + ".err"); }
  std::shared_ptr<grpc::Channel> NewChannel() const {
    std::string port = ReadFile(base_ + ".port");
    return grpc::CreateChannel("127.0.0.1:" + port.substr(0, port.find('\n')), grpc::InsecureChannelCredentials());
  }

 private:
  static std::string Unique() {
    static int count = 0;
    return std::to_string(getpid()) + "-" + std::to_string(++count);
  }

  const std::string base_;
  pid_t pid_ = -1;
  int stdin_ = -1;
};

TEST(ProgramTest, BadOptionIs2) {
  Process process({"--model=m", "--threads=many"});
  EXPECT_EQ(process.Wait(), 2);
}

TEST(ProgramTest, ModelThatCannotBeLoadedIs1AndOneLine) {
  Process process({"--model=broken", "--log-level=error"});
  EXPECT_EQ(process.Wait(), 1);
  EXPECT_EQ(process.err(), "ablated: broken/config.json: no such file\n");
}

TEST(ProgramTest, PortFileThatCannotBeWrittenIs1) {
  Process process({"--model=m", "--port-file=/no/such/folder/port"});
  EXPECT_EQ(process.Wait(), 1);
  EXPECT_THAT(process.err(), HasSubstr("cannot write --port-file /no/such/folder/port"));
}

TEST(ProgramTest, ServesAndStopsOnSigterm) {
  Process process({"--model=m"});
  ASSERT_TRUE(process.WaitUntilServing());
  const auto stub = ablation::v1::AblationService::NewStub(process.NewChannel());
  EXPECT_TRUE(RunScan(*stub, ScanRequest("Berlin is")).status.ok());
  EXPECT_TRUE(std::filesystem::exists(process.base() + ".port"));
  process.Signal(SIGTERM);
  EXPECT_EQ(process.Wait(), 0);
  EXPECT_FALSE(std::filesystem::exists(process.base() + ".port"));
}

// It was once taken for one that still loads, and the first calls were cut off.
TEST(ProgramTest, ASignalWhileItBeginsToServeIsADrain) {
  Process process({"--model=stopped"});
  EXPECT_EQ(process.Wait(), 0);
  EXPECT_THAT(process.err(), AllOf(HasSubstr("stopped: 2 layers x 3 heads on cpu (fake), float32, 1000 packed tokens, "
                                             "1536 MiB for passes\n"),
                                   HasSubstr("signal 15: draining"), HasSubstr("info stopped\n")));
}

TEST(ProgramTest, AUnixSocketIsItsOwnAndGoesAtTheEnd) {
  const std::string path = testing::TempDir() + "ablated-" + std::to_string(getpid()) + ".sock";
  Process first({"--model=m", "--listen=unix:" + path});
  ASSERT_TRUE(first.WaitUntilServing());
  Process second({"--model=m", "--listen=unix:" + path, "--log-level=error"});
  EXPECT_EQ(second.Wait(), 1);
  EXPECT_THAT(second.err(), HasSubstr("ablated: cannot listen on unix:" + path + ": another server is listening"));
  EXPECT_TRUE(std::filesystem::exists(path));
  first.Signal(SIGTERM);
  EXPECT_EQ(first.Wait(), 0);
  EXPECT_FALSE(std::filesystem::exists(path));
}

// What a crash leaves does not stand in the way.
TEST(ProgramTest, AUnixSocketOfAKilledServerIsTakenOver) {
  const std::string path = testing::TempDir() + "ablated-" + std::to_string(getpid()) + "-killed.sock";
  Process first({"--model=m", "--listen=unix:" + path});
  ASSERT_TRUE(first.WaitUntilServing());
  first.Signal(SIGKILL);
  EXPECT_EQ(first.Wait(), 1000 + SIGKILL);
  ASSERT_TRUE(std::filesystem::exists(path));
  Process second({"--model=m", "--listen=unix:" + path});
  ASSERT_TRUE(second.WaitUntilServing()) << second.err();
  second.Signal(SIGTERM);
  EXPECT_EQ(second.Wait(), 0);
}

TEST(ProgramTest, ASignalWhileLoadingLeavesNoSocket) {
  const std::string path = testing::TempDir() + "ablated-" + std::to_string(getpid()) + "-loading.sock";
  Process process({"--model=slow", "--listen=unix:" + path});
  ASSERT_TRUE(process.WaitFor(".err", "loading slow"));
  EXPECT_TRUE(std::filesystem::exists(path));
  process.Signal(SIGTERM);
  EXPECT_EQ(process.Wait(), 0);
  EXPECT_FALSE(std::filesystem::exists(path));
  EXPECT_FALSE(std::filesystem::exists(process.base() + ".port"));
}

TEST(ProgramTest, PortIsOpenWhileLoadingAndASignalEndsIt) {
  Process process({"--model=slow"});
  ASSERT_TRUE(process.WaitFor(".port", "\n"));
  const auto health = grpc::health::v1::Health::NewStub(process.NewChannel());
  grpc::ClientContext context;
  grpc::health::v1::HealthCheckResponse response;
  ASSERT_TRUE(health->Check(&context, {}, &response).ok());
  EXPECT_EQ(response.status(), grpc::health::v1::HealthCheckResponse::NOT_SERVING);
  ASSERT_TRUE(process.WaitFor(".err", "loading slow"));
  process.Signal(SIGINT);
  EXPECT_EQ(process.Wait(), 0);
}

// A process whose CUDA context is broken must not go on to say that it serves.
TEST(ProgramTest, ALostDeviceEndsTheServer) {
  const std::string path = testing::TempDir() + "ablated-" + std::to_string(getpid()) + "-lost.sock";
  Process process({"--model=lost", "--listen=unix:" + path});
  ASSERT_TRUE(process.WaitUntilServing()) << process.err();
  const auto channel = grpc::CreateChannel("unix:" + path, grpc::InsecureChannelCredentials());
  const auto health = grpc::health::v1::Health::NewStub(channel);
  grpc::ClientContext context;
  grpc::health::v1::HealthCheckResponse response;
  const auto watch = health->Watch(&context, {});
  ASSERT_TRUE(watch->Read(&response));
  ASSERT_EQ(response.status(), grpc::health::v1::HealthCheckResponse::SERVING);
  const auto stub = ablation::v1::AblationService::NewStub(channel);
  const absl::Time begin = absl::Now();
  const grpc::Status status = RunScan(*stub, ScanRequest("Berlin is")).status;
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_THAT(status.error_message(), HasSubstr("the server stops: cuda:0 is lost: an illegal access"));
  EXPECT_TRUE(watch->Read(&response));
  EXPECT_EQ(response.status(), grpc::health::v1::HealthCheckResponse::NOT_SERVING);
  EXPECT_EQ(process.Wait(), 1);
  EXPECT_LT(absl::Now() - begin, absl::Seconds(5));
  EXPECT_THAT(process.err(), HasSubstr("critical cuda:0 is lost: an illegal access"));
  EXPECT_FALSE(std::filesystem::exists(path));
  EXPECT_FALSE(std::filesystem::exists(process.base() + ".port"));
}

TEST(ProgramTest, SecondSignalEndsADrainAtOnce) {
  Process process({"--model=stuck"});
  ASSERT_TRUE(process.WaitUntilServing());
  const auto stub = ablation::v1::AblationService::NewStub(process.NewChannel());
  ScanCall call(*stub, ScanRequest("Berlin is"));
  // Its first message tells that it is inside: the drain waits for it.
  ASSERT_TRUE(call.Admitted());
  process.Signal(SIGTERM);
  ASSERT_TRUE(process.WaitFor(".err", "draining"));
  process.Signal(SIGINT);
  EXPECT_EQ(process.Wait(), 128 + SIGINT);
  EXPECT_EQ(call.Wait().status.error_code(), grpc::StatusCode::UNAVAILABLE);
}

// Whoever started it may be killed in a way that leaves no time to stop it.
TEST(ProgramTest, StopsWhenStandardInputEnds) {
  const std::string path = testing::TempDir() + "ablated-" + std::to_string(getpid()) + "-stdin.sock";
  Process process({"--model=m", "--stop-with-stdin", "--listen=unix:" + path});
  ASSERT_TRUE(process.WaitUntilServing());
  process.WriteStdin("ignored\n");
  absl::SleepFor(absl::Milliseconds(100));
  EXPECT_THAT(process.err(), Not(HasSubstr("draining")));
  process.CloseStdin();
  EXPECT_EQ(process.Wait(), 0);
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(ProgramTest, StopsWhenStandardInputEndsWhileLoading) {
  Process process({"--model=slow", "--stop-with-stdin"});
  ASSERT_TRUE(process.WaitFor(".err", "loading slow"));
  process.CloseStdin();
  EXPECT_EQ(process.Wait(), 0);
}

TEST(ProgramTest, OutlivesStandardInputUnlessToldOtherwise) {
  Process process({"--model=m"});
  ASSERT_TRUE(process.WaitUntilServing());
  process.CloseStdin();
  absl::SleepFor(absl::Milliseconds(100));
  EXPECT_THAT(process.err(), Not(HasSubstr("draining")));
  process.Signal(SIGTERM);
  EXPECT_EQ(process.Wait(), 0);
}

TEST(ProgramTest, AsksForTheTokensOfAFile) {
  const std::string path = testing::TempDir() + "program-tokens.json";
  Process missing({"--model=m", "--tokens=" + path});
  EXPECT_EQ(missing.Wait(), 1);
  EXPECT_THAT(missing.err(), HasSubstr("ablate token create --file " + path));
  std::ofstream(path) << R"({"version": 1, "tokens": []})";
  chmod(path.c_str(), 0666);
  Process too_open({"--model=m", "--log-level=error", "--tokens=" + path});
  EXPECT_EQ(too_open.Wait(), 1);
  EXPECT_EQ(too_open.err(),
            "ablated: --tokens: the token file " + path +
                " is not trusted: other users of this machine may change it (mode 0666): chmod 600, or 640 "
                "for the server's group\n");
  chmod(path.c_str(), 0644);
  Process process({"--model=m", "--tokens=" + path});
  ASSERT_TRUE(process.WaitUntilServing()) << process.err();
  EXPECT_THAT(process.err(), HasSubstr("other users of this machine may read it"));
  const auto stub = ablation::v1::AblationService::NewStub(process.NewChannel());
  EXPECT_EQ(RunScan(*stub, ScanRequest("Berlin is")).status.error_code(), grpc::StatusCode::UNAUTHENTICATED);
}

TEST(ProgramTest, PlainTextForOtherMachinesIsRefusedUnlessAskedFor) {
  Process refused({"--model=m", "--listen=0.0.0.0:0"});
  EXPECT_EQ(refused.Wait(), 2);
  EXPECT_THAT(refused.err(), HasSubstr("--listen: got `0.0.0.0:0`, which other machines can reach, and plain text"));
  Process process({"--model=m", "--listen=0.0.0.0:0", "--insecure"});
  ASSERT_TRUE(process.WaitUntilServing());
  EXPECT_THAT(process.err(), HasSubstr("requests travel as plain text"));
  EXPECT_THAT(process.err(), HasSubstr("nobody is asked who they are"));
}

}  // namespace
}  // namespace ablate
