// Runs a program and takes what it says.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace ablate::testing {

struct ProgramResult {
  int exit_code = -1;  // 128 + the signal's number where one ended it
  std::string out, err;
};

// A running program. Its standard output and error go to files in a folder of its own.
class Program {
 public:
  // `environment`: further entries, `NAME=value`; `input` is its standard input.
  explicit Program(std::vector<std::string> arguments, const std::vector<std::string>& environment = {},
                   const std::string& input = "");
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  pid_t pid() const { return pid_; }
  void Signal(int number) const;
  // Waits for its end.
  ProgramResult Wait();

 private:
  std::string folder_;
  pid_t pid_ = -1;
};

ProgramResult RunProgram(std::vector<std::string> arguments, const std::vector<std::string>& environment = {},
                         const std::string& input = "");

}  // namespace ablate::testing
