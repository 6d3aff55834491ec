#include "server/price.h"

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "server/errors.h"
#include "server/unit_scan.h"

namespace ablate {
namespace {

absl::StatusOr<int64_t> CostOf(const PreparedRequest& prepared, size_t unit, const Engine& engine) {
  const Scan scan = prepared.MakeScan(unit);
  if (const absl::Status valid = engine.Validate(scan); !valid.ok()) {
    return BadField(absl::StrCat("prompts[", prepared.units[unit].prompt, "]"), "SCAN_INVALID", valid.message());
  }
  const auto planned = engine.Cost(scan);
  if (!planned.ok()) return planned.status();
  const size_t n_runs = scan.variants.size() + (scan.donor_token_ids.empty() ? 1 : 2);
  return *planned + ReadCost(engine.Describe(), static_cast<int64_t>(n_runs * scan.read_positions.size()));
}

}  // namespace

int64_t ReadCost(const EngineInfo& info, int64_t n_reads) {
  const int64_t unit = int64_t{4} * info.d_model + int64_t{2} * info.d_mlp;
  return (n_reads * info.vocab_size + unit - 1) / unit;
}

PlanKey PlanKeyOf(const PreparedRequest& prepared, const ScanUnit& unit) {
  const size_t n_tokens = prepared.prompts[static_cast<size_t>(unit.prompt)].token_ids.size();
  return {unit.edits_corrupted, unit.is_likelihood, static_cast<int64_t>(n_tokens), NumAppended(prepared, unit)};
}

absl::Status Price(PreparedRequest& prepared, const PrepareContext& context) {
  absl::flat_hash_map<PlanKey, int64_t> cost_of;
  prepared.cost = 0;
  for (size_t u = 0; u < prepared.units.size(); ++u) {
    ScanUnit& unit = prepared.units[u];
    const auto [known, is_new] = cost_of.try_emplace(PlanKeyOf(prepared, unit), 0);
    if (is_new) {
      if (absl::Status status = context.go_on ? context.go_on() : absl::OkStatus(); !status.ok()) return status;
      const auto cost = CostOf(prepared, u, *context.engine);
      if (!cost.ok()) return cost.status();
      known->second = *cost;
    }
    unit.cost = known->second;
    prepared.cost += unit.cost;
  }
  return absl::OkStatus();
}

}  // namespace ablate
