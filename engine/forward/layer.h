// One transformer block on packed tokens, with the fan-out in its middle.
#pragma once

#include <ATen/core/Tensor.h>

#include "engine/forward/weights.h"
#include "engine/forward/workspace.h"
#include "engine/model/config.h"
#include "engine/plan/plan.h"

namespace ablate {

// x [N, D] is what enters; returns what leaves, [M, D]. Both live in `workspace`: x is dead after the call, the result
// until the second call from here. Row counts are padded (ops.h, PadRows); what the pad rows hold is of no interest.
at::Tensor RunLayer(const LayerWeights& weights, const GptConfig& config, const LayerPlan& plan,
                    const at::Tensor& edit_table, at::Tensor x, Workspace& workspace);

}  // namespace ablate
