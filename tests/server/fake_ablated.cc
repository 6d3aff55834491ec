// `ablated` with a fake engine: model `broken` cannot be loaded, `slow` takes a minute, `stuck` never ends a run,
// `stopped` gets a SIGTERM while the server begins to serve, `lost` loses its device in its first run. Where
// FAKE_ABORT_AT_TOKEN is a token id, the process dies (SIGABRT) when a prompt with it runs; where FAKE_LOSE_AT_TOKEN is
// one, it loses the device then; where there is FAKE_ABORT_AT_PRICE, it dies when one is priced.
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <memory>
#include <string>

#include "absl/time/clock.h"
#include "engine/device_lost.h"
#include "server/program.h"
#include "tests/server/fake_engine.h"

namespace ablate {
namespace {

// The server asks twice: once to tell what was loaded, and then to serve.
class StoppedEngine final : public FakeEngine {
 public:
  using FakeEngine::FakeEngine;
  const EngineInfo& Describe() const override {
    if (++asked_ == 2) {
      kill(getpid(), SIGTERM);
      absl::SleepFor(absl::Milliseconds(300));
    }
    return FakeEngine::Describe();
  }

 private:
  mutable std::atomic<int> asked_ = 0;
};

bool HasToken(const Scan& scan, int32_t id) {
  return std::count(scan.token_ids.begin(), scan.token_ids.end(), id) > 0;
}

absl::StatusOr<std::unique_ptr<Engine>> Load(const EngineOptions& options) {
  if (options.model_dir == "broken") return absl::NotFoundError("broken/config.json: no such file");
  if (options.model_dir == "slow") absl::SleepFor(absl::Minutes(1));
  auto device = std::make_shared<FakeDevice>();
  if (options.model_dir == "stuck") device->Pause();
  if (options.model_dir == "lost") {
    device->FailWhere([](const Scan& /*scan*/) { return true; }, DeviceLostError("cuda:0 is lost: an illegal access"));
  }
  if (const char* fatal = std::getenv("FAKE_ABORT_AT_TOKEN")) {
    device->FailWhere([id = std::stoi(fatal)](const Scan& scan) {
      if (HasToken(scan, id)) std::abort();
      return false;
    });
  }
  if (const char* fatal = std::getenv("FAKE_LOSE_AT_TOKEN")) {
    device->FailWhere([id = std::stoi(fatal)](const Scan& scan) { return HasToken(scan, id); },
                      DeviceLostError("cuda:0 is lost: an illegal access"));
  }
  if (std::getenv("FAKE_ABORT_AT_PRICE") != nullptr) {
    device->SetCost([](const Scan& /*scan*/) -> int64_t { std::abort(); });
  }
  if (options.model_dir == "stopped") return std::make_unique<StoppedEngine>(device);
  return std::make_unique<FakeEngine>(device);
}

}  // namespace
}  // namespace ablate

int main(int argc, char** argv) {
  return ablate::RunProgram(argc, argv, ablate::Load);
}
