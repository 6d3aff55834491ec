// `ablate --local`: a server of the program's own.
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

#include "tests/client/program_fixture.h"

namespace ablate::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

TEST_F(ProgramTest, LocalStartsItsOwnServerAndStopsIt) {
  const std::string arguments_file = Path("arguments");
  const std::vector<std::string> environment = {std::string("ABLATE_SERVER_BIN=") + SCRIPTED_ABLATED,
                                                "SCRIPTED_ABLATED_ARGUMENTS=" + arguments_file,
                                                // Meant for another server.
                                                "ABLATE_LISTEN=127.0.0.1:1", "ABLATE_PORT_FILE=/no/such/folder/port",
                                                "ABLATE_CONFIG=/no/such/file", "ABLATE_MAX_REQUEST_COST=1",
                                                // For any.
                                                "ABLATE_MAX_PACKED_TOKENS=512", "ABLATE_MEMORY_BUDGET=1GiB"};
  const auto result = RunProgram({ABLATE_PROGRAM, "scan", "--local", "--model", "models/demo", "--device", "cpu",
                                  "--precision", "float64", "--threads", "2", "--prompt", "x", "--format", "csv"},
                                 environment);
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(std::count(result.out.begin(), result.out.end(), '\n'), 6);
  std::istringstream arguments(Read(arguments_file));
  pid_t pid = 0;
  arguments >> pid;
  EXPECT_NE(kill(pid, 0), 0) << "the local server still runs";
  EXPECT_THAT(arguments.str(),
              AllOf(HasSubstr("--model models/demo --listen unix:"),
                    HasSubstr("--device cpu --precision float64 --threads 2 --jobs-dir none"),
                    HasSubstr(" ABLATE_MAX_PACKED_TOKENS=512"), HasSubstr(" ABLATE_MEMORY_BUDGET=1GiB"),
                    Not(HasSubstr("ABLATE_LISTEN")), Not(HasSubstr("ABLATE_PORT_FILE")),
                    Not(HasSubstr("ABLATE_CONFIG")), Not(HasSubstr("ABLATE_MAX_REQUEST_COST"))));
}

// Also when the client is killed without a chance to clean up.
TEST_F(ProgramTest, ALocalServerDiesWithItsClient) {
  const std::string arguments_file = Path("arguments");
  for (const int number : {SIGINT, SIGKILL}) {
    std::filesystem::remove(arguments_file);
    Program program(
        {ABLATE_PROGRAM, "scan", "--local", "--model", "slow-scan", "--prompt", "x"},
        {std::string("ABLATE_SERVER_BIN=") + SCRIPTED_ABLATED, "SCRIPTED_ABLATED_ARGUMENTS=" + arguments_file});
    pid_t pid = 0;
    for (int i = 0; i < 6000 && pid == 0; ++i) {
      usleep(10'000);
      std::istringstream(Read(arguments_file)) >> pid;
    }
    ASSERT_GT(pid, 0);
    usleep(200'000);
    program.Signal(number);
    if (number == SIGINT) {
      EXPECT_EQ(program.Wait().exit_code, 130);
    }
    bool is_gone = false;
    // A child of a killed parent is reaped by init, if the machine has one; a zombie counts as gone.
    for (int i = 0; i < 1000 && !is_gone; ++i) {
      usleep(10'000);
      const std::string stat = Read("/proc/" + std::to_string(pid) + "/stat");
      is_gone = stat.empty() || stat.find(") Z ") != std::string::npos;
    }
    EXPECT_TRUE(is_gone) << "after signal " << number;
  }
}

TEST_F(ProgramTest, ALocalServerThatFailsSaysWhy) {
  const auto result = RunProgram({ABLATE_PROGRAM, "health", "--local", "--model", "broken"},
                                 {std::string("ABLATE_SERVER_BIN=") + SCRIPTED_ABLATED});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, AllOf(HasSubstr("exit code 3"), HasSubstr("cannot load broken/config.json")));
}

// The model was loaded before a missing file was named.
TEST_F(ProgramTest, ALocalServerIsNotStartedForFilesThatAreNotThere) {
  for (const std::vector<std::string>& command :
       {std::vector<std::string>{"scan", "--prompts"}, {"means", "compute", "--prompts"}, {"means", "import"}}) {
    std::vector<std::string> arguments = {ABLATE_PROGRAM};
    arguments.insert(arguments.end(), command.begin(), command.end());
    arguments.insert(arguments.end(), {"/no/such.jsonl", "--local", "--model", "broken"});
    const auto result = RunProgram(arguments, {std::string("ABLATE_SERVER_BIN=") + SCRIPTED_ABLATED});
    EXPECT_EQ(result.exit_code, 2);
    EXPECT_THAT(result.err, HasSubstr("cannot read /no/such.jsonl"));
  }
}

}  // namespace
}  // namespace ablate::testing
