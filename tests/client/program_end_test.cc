// How `ablate` ends where a scan does not: interrupts, readers that leave, deadlines, no server.
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/client/program_fixture.h"

namespace ablate::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

// A script that holds the scan open after its first rows, until the client leaves.
Script Endless() {
  Script script;
  script.ablate = [](grpc::ServerContext* context, const ablation::v1::AblateRequest& request, ServerWriter* writer) {
    SendManifest(request, writer);
    SendRows(request, 0, writer);
    while (!context->IsCancelled()) usleep(1000);
    return grpc::Status::CANCELLED;
  };
  return script;
}

TEST_F(ProgramTest, CtrlCEndsInOrder) {
  Serve(Endless());
  std::vector<std::string> arguments = {ABLATE_PROGRAM, "scan", "--prompts", "-", "--format", "jsonl"};
  arguments.insert(arguments.end(), {"--output", Path("out")});
  Program program(arguments, {"ABLATE_SERVER=" + address_}, "{\"prompt\": \"a\"}\n{\"prompt\": \"b\"}\n");
  // The partial file shows that the scan runs: its first prompt is written out.
  const auto partial_has_rows = [&] {
    for (const auto& entry : std::filesystem::directory_iterator(folder_.path())) {
      if (entry.path().filename().string().starts_with("out.partial-")) return entry.file_size() > 0;
    }
    return false;
  };
  for (int i = 0; i < 6000 && !partial_has_rows(); ++i) usleep(10'000);
  ASSERT_TRUE(partial_has_rows());
  program.Signal(SIGINT);
  const auto result = program.Wait();
  EXPECT_EQ(result.exit_code, 130);
  EXPECT_EQ(result.err, "ablate: interrupted\n");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_.path()), {}), 1) << "more than the socket";
}

TEST_F(ProgramTest, AReaderThatLeavesEndsTheScanQuietly) {
  std::atomic<int> cancelled = 0;
  Script script;
  script.ablate = [&](grpc::ServerContext* context, const ablation::v1::AblateRequest& request, ServerWriter* writer) {
    SendManifest(request, writer);
    for (int p = 0; p < request.prompts_size() && !context->IsCancelled(); ++p) {
      SendRows(request, p, writer);
      usleep(1000);
    }
    // A pass of hours, as it were: nothing ends it but the client.
    for (int i = 0; i < 10'000 && !context->IsCancelled(); ++i) usleep(1000);
    if (context->IsCancelled()) ++cancelled;
    return grpc::Status::CANCELLED;
  };
  Serve(script);
  std::string prompts;
  for (int p = 0; p < 2000; ++p) prompts += "{\"prompt\": \"a\", \"target\": \" x\"}\n";
  int scans = 0;
  for (const std::string format : {"table", "jsonl", "csv"}) {
    const std::string scan = absl::StrCat(ABLATE_PROGRAM, " scan --prompts - --format ", format);
    const auto result = RunProgram({"/bin/bash", "-c", scan + " | head -n 1; exit ${PIPESTATUS[0]}"},
                                   {"ABLATE_SERVER=" + address_, "PATH=/usr/bin:/bin"}, prompts);
    EXPECT_EQ(result.exit_code, 141) << format;
    EXPECT_EQ(result.err, "") << format;
    EXPECT_EQ(std::count(result.out.begin(), result.out.end(), '\n'), 1) << format;
    ++scans;
    for (int i = 0; i < 1000 && cancelled < scans; ++i) usleep(10'000);
    EXPECT_EQ(cancelled, scans) << format << ": the server goes on";
  }
}

TEST_F(ProgramTest, ATimeoutHasItsOwnExitCode) {
  Serve(Endless());
  const auto result =
      Ablate({"scan", "--prompts", "-", "--timeout", "500ms"}, "{\"prompt\": \"a\"}\n{\"prompt\": \"b\"}\n");
  EXPECT_EQ(result.exit_code, 4);
  EXPECT_THAT(result.err, HasSubstr("500ms"));
}

TEST_F(ProgramTest, WithoutAServerItSaysWhatToDo) {
  for (const char* command : {"describe", "health"}) {
    const auto result = Ablate({command});
    EXPECT_EQ(result.exit_code, 3);
    EXPECT_THAT(result.err,
                AllOf(StartsWith("ablate: no answer from a server at unix:"), HasSubstr("ablated --model DIR")));
  }
}

}  // namespace
}  // namespace ablate::testing
