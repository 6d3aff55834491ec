#include "server/means/tenant_means.h"

namespace ablate {

absl::StatusOr<MeanStore*> TenantMeans::Of(const std::string& tenant) {
  if (tenant.empty()) return root_.get();
  absl::MutexLock lock(&mu_);
  std::unique_ptr<MeanStore>& store = stores_[tenant];
  if (store == nullptr) {
    auto opened = root_->OpenTenant(tenant);
    if (!opened.ok()) return opened.status();
    store = *std::move(opened);
  }
  return store.get();
}

}  // namespace ablate
