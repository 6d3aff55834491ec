#include "tests/client/run_program.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <utility>

namespace ablate::testing {
namespace {

std::string Read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

Program::Program(std::vector<std::string> arguments, const std::vector<std::string>& environment,
                 const std::string& input) {
  folder_ = ::testing::TempDir() + "/program-XXXXXX";
  EXPECT_NE(mkdtemp(folder_.data()), nullptr);
  std::ofstream(folder_ + "/in", std::ios::binary) << input;

  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, 0, (folder_ + "/in").c_str(), O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&files, 1, (folder_ + "/out").c_str(), O_WRONLY | O_CREAT, 0600);
  posix_spawn_file_actions_addopen(&files, 2, (folder_ + "/err").c_str(), O_WRONLY | O_CREAT, 0600);
  std::vector<char*> argv, envp;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  std::vector<std::string> own = environment;
  own.push_back("TMPDIR=" + folder_);
  for (std::string& entry : own) envp.push_back(entry.data());
  envp.push_back(nullptr);
  EXPECT_EQ(posix_spawn(&pid_, argv[0], &files, nullptr, argv.data(), envp.data()), 0) << arguments[0];
  posix_spawn_file_actions_destroy(&files);
}

Program::~Program() {
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  std::filesystem::remove_all(folder_);
}

void Program::Signal(int number) const {
  kill(pid_, number);
}

ProgramResult Program::Wait() {
  int status = 0;
  waitpid(std::exchange(pid_, -1), &status, 0);
  // A local server's folder must be gone by now; it is in TMPDIR.
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), std::filesystem::directory_iterator()), 3)
      << "the program left something behind in its TMPDIR";
  return {WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status), Read(folder_ + "/out"),
          Read(folder_ + "/err")};
}

ProgramResult RunProgram(std::vector<std::string> arguments, const std::vector<std::string>& environment,
                         const std::string& input) {
  return Program(std::move(arguments), environment, input).Wait();
}

}  // namespace ablate::testing
