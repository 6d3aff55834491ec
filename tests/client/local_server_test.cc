#include "client/cpp/local_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include "absl/time/clock.h"
#include "client/cpp/client.h"
#include "client/cpp/private_folder.h"

namespace ablate::client {
namespace {

using ::testing::HasSubstr;

LocalServerOptions Options(const std::string& model) {
  LocalServerOptions options;
  options.server_binary = SCRIPTED_ABLATED;
  options.model_dir = model;
  options.start_timeout = absl::Seconds(60);
  return options;
}

std::string FolderOf(const LocalServer& server) {
  return std::filesystem::path(server.address().substr(5)).parent_path().string();
}

TEST(LocalServerTest, ServesOnAPrivateSocketAndLeavesNothing) {
  auto server = LocalServer::Start(Options("models/demo"));
  ASSERT_TRUE(server.ok()) << server.status();
  const std::string folder = FolderOf(**server);
  struct stat info = {};
  ASSERT_EQ(stat(folder.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0700U);
  EXPECT_EQ((*Client::Connect((*server)->address()))->Describe({})->model().name(), "tiny");
  const pid_t pid = (*server)->pid();
  server->reset();
  EXPECT_NE(kill(pid, 0), 0);
  EXPECT_FALSE(std::filesystem::exists(folder));
}

TEST(LocalServerTest, AServerThatEndsShowsWhatItWrote) {
  const auto server = LocalServer::Start(Options("broken"));
  const std::string message(server.status().message());
  EXPECT_THAT(message, HasSubstr("exit code 3"));
  EXPECT_THAT(message, HasSubstr("cannot load broken/config.json"));
}

TEST(LocalServerTest, AServerThatIsNeverReadyTimesOut) {
  auto options = Options("never-ready");
  options.start_timeout = absl::Seconds(2);
  const auto server = LocalServer::Start(options);
  EXPECT_EQ(server.status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(std::string(server.status().message()), HasSubstr("still warming up"));
}

TEST(LocalServerTest, AStubbornServerIsKilled) {
  auto options = Options("stubborn");
  options.stop_timeout = absl::Milliseconds(200);
  auto server = LocalServer::Start(options);
  ASSERT_TRUE(server.ok()) << server.status();
  const pid_t pid = (*server)->pid();
  server->reset();
  EXPECT_NE(kill(pid, 0), 0);
}

TEST(LocalServerTest, CancellationEndsTheWait) {
  Cancellation cancellation;
  auto options = Options("never-ready");
  options.cancellation = &cancellation;
  std::thread canceller([&] {
    absl::SleepFor(absl::Milliseconds(200));
    cancellation.Cancel();
  });
  EXPECT_EQ(LocalServer::Start(options).status().code(), absl::StatusCode::kCancelled);
  canceller.join();
}

TEST(LocalServerTest, AProgramThatCannotBeRunIsNamed) {
  const PrivateFolder folder = *PrivateFolder::Make();
  auto options = Options("m");
  options.server_binary = folder.path() + "/ablated";
  std::ofstream(options.server_binary) << "#!/no/such/interpreter\n";
  std::filesystem::permissions(options.server_binary, std::filesystem::perms::owner_all);
  const auto server = LocalServer::Start(options);
  EXPECT_EQ(server.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(server.status().message()), HasSubstr("cannot run " + options.server_binary));
}

TEST(LocalServerTest, AMissingProgramIsNamed) {
  auto options = Options("m");
  options.server_binary = "/no/such/ablated";
  const auto server = LocalServer::Start(options);
  EXPECT_EQ(server.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(server.status().message()), HasSubstr("/no/such/ablated"));
  EXPECT_THAT(std::string(server.status().message()), HasSubstr("ABLATE_SERVER_BIN"));
}

}  // namespace
}  // namespace ablate::client
