// What calls need once the model is loaded.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "engine/engine.h"
#include "server/budget.h"
#include "server/delta_table.h"
#include "server/executor.h"
#include "server/prepare.h"
#include "server/replacements.h"
#include "server/scheduler.h"
#include "server/stall_guard.h"
#include "server/verify/numeric_floor.h"

namespace ablate {

class JobHub;
class JobRunner;
class JobStore;
class TenantMeans;

// Borrowed; outlives every call.
struct Backend {
  // Only what is const of it: the rest belongs to the scheduler's thread.
  const Engine* engine = nullptr;
  Scheduler* scheduler = nullptr;
  // For what a request needs before it runs: milliseconds to seconds.
  Executor* executor = nullptr;
  // For explanations, which may take as long: likewise.
  Executor* explanations = nullptr;
  // For statistics, which may take minutes: they hold up each other only.
  Executor* summaries = nullptr;
  StallGuard* stall_guard = nullptr;
  // Null where the server keeps no libraries.
  TenantMeans* means = nullptr;
  // All null where the server keeps no jobs.
  JobStore* jobs = nullptr;
  JobHub* job_hub = nullptr;
  JobRunner* job_runner = nullptr;
  // Where it keeps none.
  std::string why_no_jobs;
  // Most jobs of one tenant that have not ended.
  int64_t max_open_jobs = 0;
  std::string model_name;
  // Of the engine's model, device and precision; empty: not measured.
  std::vector<NumericFloor> numeric_floor;
  RequestLimits limits;
  // Of a job.
  RequestLimits job_limits;
  // Most bytes of a stream's results that wait for its reader.
  int64_t max_stream_bytes = 0;
  // How long a stream's reader may take nothing.
  absl::Duration max_write_stall;
  // What the edits of all requests put in, together: each has its own copy of the means that it names.
  std::shared_ptr<Budget> tables = std::make_shared<Budget>("numbers for their replacements", kMaxTableValuesTogether);
  // Values of all requests' summaries together.
  std::shared_ptr<Budget> deltas = {};
};

}  // namespace ablate
