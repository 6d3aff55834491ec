// The program `ablate` beside a scripted server, each test with a folder and an address of its own.
#pragma once

#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "client/cpp/private_folder.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/fake_server.h"
#include "tests/client/run_program.h"

namespace ablate::testing {

class ProgramTest : public ::testing::Test {
 protected:
  void Serve(const Script& script = {}) {
    server_.emplace(address_, script);
    ASSERT_TRUE(server_->started());
  }
  ProgramResult Ablate(std::vector<std::string> arguments, const std::string& input = "") const {
    arguments.insert(arguments.begin(), ABLATE_PROGRAM);
    return RunProgram(std::move(arguments), {"ABLATE_SERVER=" + address_}, input);
  }
  std::string Path(const std::string& name) const { return folder_.path() + "/" + name; }
  static std::string Read(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  client::PrivateFolder folder_ = *client::PrivateFolder::Make();
  const std::string address_ = "unix:" + folder_.path() + "/socket";
  const std::vector<std::string> scan_ = {"scan", "--prompt", "Berlin is", "--target", " Germany"};
  std::optional<FakeServer> server_;
};

}  // namespace ablate::testing
