// One layer's heads side by side: what ablating each does to the target and to the contrast.
#pragma once

#include <string>
#include <vector>

#include "ablation/v1/scan.pb.h"
#include "absl/types/span.h"
#include "client/cpp/cli/block_rows.h"
#include "client/cpp/cli/legend.h"
#include "client/cpp/cli/style.h"

namespace ablate::cli {

// A line a head, with bars on one common scale, negative to the left. `rows`: a prompt's, under one replacement.
// Without a contrast only the target; without a target the KL divergence. Empty where they hold no head of `layer`.
std::vector<std::string> DrawFocus(const Legend& legend, int prompt, absl::Span<const Row> rows, int32_t layer,
                                   Color color);

// Whether a variant is a single head of `layer`.
bool HasFocusLayer(const client::ScanManifest& manifest, int32_t layer);

}  // namespace ablate::cli
