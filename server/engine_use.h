// What a request took of the engine.
#pragma once

#include <algorithm>
#include <cstdint>

namespace ablate {

// Of the engine's runs that held prompts of the request, each counted whole: others may have had their share of it.
struct EngineUse {
  int64_t plan_ns = 0;
  // Readouts included.
  int64_t forward_ns = 0;
  int64_t readout_ns = 0;
  int32_t forward_passes = 0;
  // The most of any run.
  int64_t peak_bytes = 0;

  void Add(const EngineUse& more) {
    plan_ns += more.plan_ns;
    forward_ns += more.forward_ns;
    readout_ns += more.readout_ns;
    forward_passes += more.forward_passes;
    peak_bytes = std::max(peak_bytes, more.peak_bytes);
  }

  // What came behind `before`, so that adding it to that gives this.
  EngineUse Since(const EngineUse& before) const {
    return {.plan_ns = plan_ns - before.plan_ns,
            .forward_ns = forward_ns - before.forward_ns,
            .readout_ns = readout_ns - before.readout_ns,
            .forward_passes = forward_passes - before.forward_passes,
            .peak_bytes = peak_bytes};
  }
};

}  // namespace ablate
