// What calls need once the model is loaded.
#pragma once

#include <cstdint>
#include <string>

#include "absl/time/time.h"
#include "engine/engine.h"
#include "server/executor.h"
#include "server/prepare.h"
#include "server/scheduler.h"
#include "server/stall_guard.h"

namespace ablate {

// Borrowed; outlives every call.
struct Backend {
  // Only what is const of it: the rest belongs to the scheduler's thread.
  const Engine* engine = nullptr;
  Scheduler* scheduler = nullptr;
  Executor* executor = nullptr;
  StallGuard* stall_guard = nullptr;
  std::string model_name;
  RequestLimits limits;
  // Most bytes of a stream's results that wait for its reader.
  int64_t max_stream_bytes = 0;
  // How long a stream's reader may take nothing.
  absl::Duration max_write_stall;
};

}  // namespace ablate
