#include "server/jobs/open_store.h"

#include "engine/files/user_data.h"
#include "spdlog/spdlog.h"

namespace ablate {

absl::StatusOr<OpenedJobs> OpenJobStore(const std::optional<std::string>& jobs_dir) {
  const std::string folder = jobs_dir.has_value() ? *jobs_dir : UserDataFolder("jobs");
  if (folder.empty()) {
    return OpenedJobs{.why_none = jobs_dir.has_value() ? "it was started so" : "neither HOME nor XDG_DATA_HOME is set"};
  }
  auto store = JobStore::Open({.folder = folder});
  if (store.ok()) return OpenedJobs{.store = *std::move(store)};
  const bool can_do_without = absl::IsAlreadyExists(store.status()) || absl::IsPermissionDenied(store.status());
  if (jobs_dir.has_value() || !can_do_without) return store.status();
  OpenedJobs none{.why_none = std::string(store.status().message())};
  spdlog::warn("no jobs: {} (--jobs-dir)", none.why_none);
  return none;
}

}  // namespace ablate
