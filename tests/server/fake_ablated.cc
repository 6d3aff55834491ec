// `ablated` with a fake engine: model `broken` cannot be loaded, `slow` takes a minute, `stuck` never ends a run. Where
// FAKE_ABORT_AT_TOKEN is a token id, the process dies (SIGABRT) when a prompt with it runs.
#include <algorithm>
#include <cstdlib>
#include <memory>
#include <string>

#include "absl/time/clock.h"
#include "server/program.h"
#include "tests/server/fake_engine.h"

namespace ablate {
namespace {

absl::StatusOr<std::unique_ptr<Engine>> Load(const EngineOptions& options) {
  if (options.model_dir == "broken") return absl::NotFoundError("broken/config.json: no such file");
  if (options.model_dir == "slow") absl::SleepFor(absl::Minutes(1));
  auto device = std::make_shared<FakeDevice>();
  if (options.model_dir == "stuck") device->Pause();
  if (const char* fatal = std::getenv("FAKE_ABORT_AT_TOKEN")) {
    device->FailWhere([id = std::stoi(fatal)](const Scan& scan) {
      if (std::count(scan.token_ids.begin(), scan.token_ids.end(), id) > 0) std::abort();
      return false;
    });
  }
  return std::make_unique<FakeEngine>(device);
}

}  // namespace
}  // namespace ablate

int main(int argc, char** argv) {
  return ablate::RunProgram(argc, argv, ablate::Load);
}
