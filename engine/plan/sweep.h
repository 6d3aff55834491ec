// Sweeps: rules that produce variants.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/plan/site.h"

namespace ablate {

// Every head on its own: the variants {L, H} for each layer in `layers` and each head in `heads`, in that order.
// Empty: all. InvalidArgument names `layers` or `heads`, the value and the range, for one out of range or twice.
struct HeadsSweep {
  std::vector<int32_t> layers;
  std::vector<int32_t> heads;
};

absl::StatusOr<std::vector<Variant>> MakeVariants(const HeadsSweep& sweep, int32_t n_layers, int32_t n_heads);

}  // namespace ablate
