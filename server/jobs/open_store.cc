#include "server/jobs/open_store.h"

#include "engine/files/user_data.h"
#include "spdlog/spdlog.h"

namespace ablate {

absl::StatusOr<std::unique_ptr<JobStore>> OpenJobStore(const std::optional<std::string>& jobs_dir) {
  const std::string folder = jobs_dir.has_value() ? *jobs_dir : UserDataFolder("jobs");
  if (folder.empty()) return nullptr;
  auto store = JobStore::Open({.folder = folder});
  if (store.ok() || jobs_dir.has_value()) return store;
  spdlog::warn("no jobs: {} (--jobs-dir)", std::string(store.status().message()));
  return nullptr;
}

}  // namespace ablate
