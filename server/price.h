// What a request costs, known before any work: the unit of admission.
//
// The unit is one packed token in one layer: 4 D^2 + 2 D d_mlp multiply-adds, 12 D^2 in GPT-2, beside its attention. A
// read position's logits take V D, so that a read costs V / (4 D + 2 d_mlp) units: 5.45 in GPT-2 Small.
//
// Effects and compensation have no price of their own: a row of them takes about D + d_mlp multiply-adds a layer, and a
// D x D product in float64 for each layer that it edits. The passes become smaller under effects (TokensOfPass), so
// that those repeat more rows, which the plan's cost counts already.
#pragma once

#include <array>
#include <cstdint>

#include "absl/status/status.h"
#include "server/prepare.h"

namespace ablate {

// Of so many read positions, over all runs of a scan; rounded up.
int64_t ReadCost(const EngineInfo& info, int64_t n_reads);

// Everything that a unit's plan depends on, since a request's prompts share their sweep, and where it edits and reads
// follows from the length: which run is edited, whether it is a likelihood, the prompt's length, how many tokens are
// appended.
using PlanKey = std::array<int64_t, 4>;
PlanKey PlanKeyOf(const PreparedRequest& prepared, const ScanUnit& unit);

// Checks each unit's scan with the engine, and fills in its cost and the request's. INVALID_ARGUMENT where the engine
// refuses one.
absl::Status Price(PreparedRequest& prepared, const PrepareContext& context);

}  // namespace ablate
