// One transformer block on packed tokens, with the fan-out in its middle.
#pragma once

#include <ATen/core/Tensor.h>

#include "absl/types/span.h"
#include "engine/forward/pass_tables.h"
#include "engine/forward/weights.h"
#include "engine/forward/workspace.h"
#include "engine/model/config.h"
#include "engine/plan/plan.h"

namespace ablate {

// What a layer leaves in `workspace`. Row counts are padded (ops.h, PadRows); what the pad rows hold is of no interest.
// `x` lives until the second call of RunLayer from here, the others until the next one.
struct LayerOutput {
  at::Tensor x;       // [M, D], the residual
  at::Tensor z;       // [N, H, Dh], the heads' outputs before any edit
  at::Tensor z_out;   // [M, D], edited: what went into c_proj
  at::Tensor hidden;  // [M, Dm], what went into the MLP's c_proj
};

// Makes room in `workspace` for a pass of this shape, while none of its tensors is about.
void ReserveFor(const PassShape& shape, const GptConfig& config, Workspace& workspace);

// x [N, D] is what enters; it lives in `workspace` and is dead after the call. `tables` are those of the plan.
LayerOutput RunLayer(const LayerWeights& weights, const GptConfig& config, const LayerPlan& plan,
                     const LayerTables& tables, const at::Tensor& edit_table, at::Tensor x, Workspace& workspace);

}  // namespace ablate
