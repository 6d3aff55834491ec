#include "server/server_info.h"

#include "server/convert.h"

namespace ablate {

ablation::v1::RuntimeInfo RuntimeOf(const Backend& backend) {
  auto runtime = MakeRuntimeInfo(backend.engine->Describe(), backend.limits, backend.numeric_floor);
  if (backend.jobs != nullptr) {
    runtime.set_max_job_cost(backend.job_limits.cost);
    runtime.set_max_job_tokens(backend.job_limits.tokens);
  }
  return runtime;
}

ablation::v1::Manifest BeginManifest(const Backend& backend, int64_t cost) {
  ablation::v1::Manifest manifest;
  *manifest.mutable_model() = MakeModelInfo(backend.engine->Describe(), backend.model_name);
  *manifest.mutable_runtime() = RuntimeOf(backend);
  // By default it follows what is free when the server starts, to the byte: files of one experiment would not be equal.
  // The passes' tokens follow it too, but in most memories they are at their most, and without `batch_invariant` rows
  // depend on them.
  manifest.mutable_runtime()->clear_memory_budget_bytes();
  manifest.set_cost(cost);
  return manifest;
}

}  // namespace ablate
