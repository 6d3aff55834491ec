// Small scans with known numbers: 2 layers x 2 heads.
#pragma once

#include <cstdint>
#include <vector>

#include "ablation/v1/scan.pb.h"
#include "client/cpp/scan_manifest.h"

namespace ablate::testing {

// Variants L0H0, L0H1, L1H0, L1H1; float32 on `cpu`. Prompts are `Berlin is` with the target ` Germany` and
// the contrast ` France`.
client::ScanManifest MakeManifest(int n_prompts = 1);

// The messages that carry it: the manifest's head, one block of all variants, one block a prompt.
std::vector<ablation::v1::AblateResponse> HeadMessages(const client::ScanManifest& manifest);

// Sets no target and no contrast for the prompt.
void DropTarget(ablation::v1::ResolvedPrompt* prompt);

// The change of the target's log-probability in the fixtures' rows, 0 for the baseline (-1).
float DeltaTargetLogprob(int prompt, int variant);

struct RowId {
  int32_t prompt, variant;
};

// Rows in the order given, all columns present (without `has_target` those that need none).
ablation::v1::RowBlock MakeBlock(const std::vector<RowId>& rows, int top_k = 0, bool has_target = true);

}  // namespace ablate::testing
