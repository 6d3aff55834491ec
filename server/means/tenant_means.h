// Each tenant's mean libraries.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "server/means/mean_store.h"

namespace ablate {

// Thread-safe.
class TenantMeans {
 public:
  // `root` is the store of the tenant with the empty name, in whose folder the others have theirs.
  explicit TenantMeans(std::shared_ptr<MeanStore> root) : root_(std::move(root)) {}

  // Lives as long as this does. Errors as MeanStore::OpenTenant's.
  absl::StatusOr<MeanStore*> Of(const std::string& tenant);

 private:
  const std::shared_ptr<MeanStore> root_;
  absl::Mutex mu_;
  std::map<std::string, std::unique_ptr<MeanStore>> stores_ ABSL_GUARDED_BY(mu_);
};

}  // namespace ablate
