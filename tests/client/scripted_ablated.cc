// `ablated` as a local server's starter sees it: the arguments --model and --listen. The model's name says how it
// behaves.
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <iostream>
#include <map>
#include <string>
#include <thread>

#include "tests/client/fake_server.h"

namespace {

using grpc::health::v1::HealthCheckResponse;

}  // namespace

int main(int argc, char** argv) {
  std::map<std::string, std::string> options;
  for (int i = 1; i + 1 < argc; i += 2) options[argv[i]] = argv[i + 1];
  const std::string& model = options["--model"];
  if (model == "broken") {
    std::cerr << "cannot load broken/config.json: no such file\n";
    return 3;
  }
  if (const char* path = getenv("SCRIPTED_ABLATED_ARGUMENTS")) {
    FILE* file = fopen(path, "w");
    fprintf(file, "%d", getpid());
    for (int i = 1; i < argc; ++i) fprintf(file, " %s", argv[i]);
    for (char** entry = environ; *entry != nullptr; ++entry) {
      if (std::string(*entry).starts_with("ABLATE_")) fprintf(file, " %s", *entry);
    }
    fclose(file);
  }
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigprocmask(SIG_BLOCK, &signals, nullptr);
  ablate::testing::Script script;
  if (model == "never-ready") {
    std::cerr << "still warming up\n";
    script.health = [] { return HealthCheckResponse::NOT_SERVING; };
  }
  if (model == "slow-scan") {
    script.ablate = [](grpc::ServerContext* context, const ablation::v1::AblateRequest& request,
                       ablate::testing::ServerWriter* writer) {
      ablate::testing::SendManifest(request, writer);
      while (!context->IsCancelled()) usleep(10'000);
      return grpc::Status::CANCELLED;
    };
  }
  const ablate::testing::FakeServer server(options["--listen"], script);
  if (!server.started()) return 4;
  int number = 0;
  do {
    sigwait(&signals, &number);
  } while (model == "stubborn");
  return 0;
}
