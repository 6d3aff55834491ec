#include "server/means/store_error.h"

#include "absl/time/clock.h"
#include "server/errors.h"
#include "server/line_budget.h"
#include "spdlog/spdlog.h"

namespace ablate {
namespace {

// The whole goes to the log, but not at any rate that clients like.
std::string WithoutPlace(const absl::Status& status) {
  static LineBudget lines(20);
  const std::string place = PlaceIn(status);
  std::string message(status.message());
  if (place.empty()) return message;
  if (lines.Take(absl::Now())) spdlog::warn("{}", message);
  if (const size_t at = message.find(place); at != std::string::npos) message.erase(at, place.size());
  return message;
}

}  // namespace

absl::Status StoreError(const absl::Status& status) {
  const std::string message = WithoutPlace(status);
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return status;
    case absl::StatusCode::kNotFound:
      return ErrorWithReason(status.code(), "MEAN_LIBRARY_NOT_FOUND", message);
    case absl::StatusCode::kDataLoss:
      return ErrorWithReason(status.code(), "MEAN_LIBRARY_DAMAGED", message);
    case absl::StatusCode::kPermissionDenied:
      // Not PERMISSION_DENIED: no other token would help.
      return ErrorWithReason(absl::StatusCode::kFailedPrecondition, "MEAN_LIBRARY_OF_MODEL", message);
    case absl::StatusCode::kFailedPrecondition:
      return ErrorWithReason(status.code(), "MEANS_NOT_KEPT", message);
    default:
      return ErrorWithReason(absl::StatusCode::kInternal, "MEAN_STORE_FAILED", message);
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
