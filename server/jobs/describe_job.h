// Jobs as clients see them.
#pragma once

#include <cstdint>
#include <map>
#include <optional>

#include "ablation/v1/jobs.pb.h"
#include "absl/status/statusor.h"
#include "engine/engine.h"
#include "server/backend.h"
#include "server/jobs/job_store.h"

namespace ablate {

// What a server with this engine runs jobs with.
JobEngine JobEngineOf(const EngineInfo& info);

// With a job's turn, the time left, why it waits and when it expires. Of several jobs, each knows the queue that the
// first saw.
class JobDescriber {
 public:
  // Borrowed. It has a job store.
  explicit JobDescriber(const Backend* backend)
      : backend_(backend), engine_(JobEngineOf(backend->engine->Describe())) {}

  ablation::v1::Job operator()(StoredJob stored);

 private:
  void AddTurn(int64_t number, ablation::v1::Job& job);

  const Backend* const backend_;
  const JobEngine engine_;
  std::optional<absl::StatusOr<std::map<int64_t, JobStore::Ahead>>> queue_;
};

// One.
ablation::v1::Job DescribeJob(StoredJob job, const Backend& backend);

}  // namespace ablate
