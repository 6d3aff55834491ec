// One layer's heads side by side: what ablating each does to the target and to the contrast.
#pragma once

#include <string>
#include <vector>

#include "ablation/v1/scan.pb.h"
#include "absl/types/span.h"
#include "client/cpp/cli/block_rows.h"
#include "client/cpp/cli/style.h"
#include "client/cpp/scan_manifest.h"

namespace ablate::cli {

// A line a head, with bars on one common scale, negative to the left. `rows`: the baseline, then the manifest's
// variants. Without a contrast only the target; without a target the KL divergence. Empty where the scan holds no head
// of `layer`.
std::vector<std::string> DrawFocus(const client::ScanManifest& manifest, int prompt, absl::Span<const Row> rows,
                                   int32_t layer, Color color);

}  // namespace ablate::cli
