// How weights lie in a GPU's memory.
#pragma once

#include <ATen/core/Tensor.h>

#include "engine/forward/weights.h"

namespace ablate {

// Brings the layers' matrices into the order in memory, row by row or column by column, in which this GPU multiplies
// with them faster: each kind is measured once, in some milliseconds, on the current stream, in the mode of
// ComputeModeScope. Tensors keep their shapes, [K, O]; only strides change.
void ArrangeWeights(Weights& weights);

// Whether the columns' order is worth taking, of microseconds of a product: noise leaves what a file has.
bool IsWorthTransposing(double by_rows, double by_columns);

// The same values, column by column.
at::Tensor ByColumns(const at::Tensor& weight);

}  // namespace ablate
