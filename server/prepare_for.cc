#include "server/prepare_for.h"

#include <utility>

#include "server/means/store_error.h"

namespace ablate {

absl::StatusOr<PreparedRequest> PrepareFor(const std::string& tenant, const ablation::v1::AblateRequest& request,
                                           const RequestLimits& limits, const Backend& backend,
                                           std::function<absl::Status()> go_on, absl::Span<const Site> order) {
  const auto means = StoreOf(backend.means, tenant);
  if (!means.ok()) return means.status();
  PrepareContext context;
  context.engine = backend.engine;
  context.limits = limits;
  context.means = *means;
  context.go_on = std::move(go_on);
  return Prepare(request, context, order);
}

}  // namespace ablate
