// Small scans with known numbers: 2 layers x 2 heads.
#pragma once

#include <cstdint>
#include <vector>

#include "ablation/v1/scan.pb.h"
#include "client/cpp/scan_manifest.h"

namespace ablate::testing {

// Variants L0H0, L0H1, L1H0, L1H1 -> zero; float32 on `cpu`. Prompts are `Berlin is` with the target ` Germany` and
// the contrast ` France`, read at their last position, 1.
client::ScanManifest MakeManifest(int n_prompts = 1);

// The head's counts as what the manifest holds now.
void Recount(client::ScanManifest* manifest);

// Replaces the variants: each a list of (layer, head), labelled with its sites.
void SetVariants(const std::vector<std::vector<std::pair<int, int>>>& sites, client::ScanManifest* manifest);

// Adds scale(0.5), and resample (noising), which brings a corrupted run with it.
void AddReplacements(client::ScanManifest* manifest);

// Both positions of each prompt are edited, one at a time.
void SweepPositions(client::ScanManifest* manifest);

// The messages that carry it: the manifest's head, one block of all variants, one block a prompt.
std::vector<ablation::v1::AblateResponse> HeadMessages(const client::ScanManifest& manifest);

// Sets no target and no contrast for the prompt.
void DropTarget(ablation::v1::ResolvedPrompt* prompt);

// The change of the target's log-probability in the fixtures' rows, 0 for the baseline (-1). Half of it under
// replacement 1, a quarter under 2.
float DeltaTargetLogprob(int prompt, int variant, int replacement = 0);

struct RowId {
  int32_t prompt, variant;
  int32_t replacement = 0;
  int32_t edit_position = -1;
  int32_t position = 1;
};

// Every row that the manifest promises of a prompt, in RowSpace's order.
std::vector<RowId> RowsOf(const client::ScanManifest& manifest, int prompt);
std::vector<RowId> AllRows(const client::ScanManifest& manifest);

// Rows in the order given, all columns present that a plain scan has (without `has_target` those that need none).
ablation::v1::RowBlock MakeBlock(const std::vector<RowId>& rows, int top_k = 0, bool has_target = true);

// The same with the columns `replacement` and `edit_position` where the manifest asks for them, `interaction` in pairs.
ablation::v1::RowBlock MakeBlock(const client::ScanManifest& manifest, const std::vector<RowId>& rows, int top_k = 0,
                                 bool has_target = true);

// What stands beside a prompt's rows, where the manifest's readout asks for it. The mean NLL is 3 + the delta.
ablation::v1::LikelihoodBlock MakeLikelihood(const client::ScanManifest& manifest, int prompt);
// Heads 1, 2, 3, 4 (times 1 + variant), MLPs 0.5 and -0.5, LayerNorm 0.25.
ablation::v1::CompensationBlock MakeCompensation(const client::ScanManifest& manifest, int prompt);

// Over 24 prompts; every variant under every replacement, the mean its DeltaTargetLogprob, which is flagged for variant
// 1; variant 0 has no p.
ablation::v1::SummaryHead MakeSummaryHead(const client::ScanManifest& manifest);
ablation::v1::SummaryBlock MakeSummary(const client::ScanManifest& manifest);

}  // namespace ablate::testing
