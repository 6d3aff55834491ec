#include "server/means/store_error.h"

#include "server/errors.h"

namespace ablate {

absl::Status StoreError(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return status;
    case absl::StatusCode::kNotFound:
      return ErrorWithReason(status.code(), "MEAN_LIBRARY_NOT_FOUND", status.message());
    case absl::StatusCode::kDataLoss:
      return ErrorWithReason(status.code(), "MEAN_LIBRARY_DAMAGED", status.message());
    case absl::StatusCode::kFailedPrecondition:
      return ErrorWithReason(status.code(), "MEANS_NOT_KEPT", status.message());
    default:
      return ErrorWithReason(absl::StatusCode::kInternal, "MEAN_STORE_FAILED", status.message());
  }
}

absl::StatusOr<MeanStore*> StoreOf(TenantMeans* means, const std::string& tenant) {
  if (means == nullptr) return nullptr;
  auto store = means->Of(tenant);
  if (!store.ok()) return StoreError(store.status());
  return store;
}

absl::StatusOr<MeanStore*> RequireStore(TenantMeans* means, const std::string& tenant) {
  if (means != nullptr) return StoreOf(means, tenant);
  return ErrorWithReason(absl::StatusCode::kFailedPrecondition, "MEANS_NOT_KEPT",
                         "this server has no mean libraries: start ablated with --means-dir DIR");
}

absl::StatusOr<MeanStore*> RequireWritableStore(TenantMeans* means, const std::string& tenant) {
  const auto store = RequireStore(means, tenant);
  if (!store.ok()) return store.status();
  const absl::Status writable = (*store)->CheckWritable();
  if (!writable.ok()) return StoreError(writable);
  return store;
}

}  // namespace ablate
