// Checks one block of results by itself: whole columns, numbers where the contract promises numbers.
#pragma once

#include "ablation/v1/scan.pb.h"
#include "absl/status/status.h"

namespace ablate::client {

// Sizes that a block's columns depend on.
struct BlockSizes {
  int32_t top_k = 0;
  int32_t n_replacements = 1;
  int32_t n_layers = 0;
  int32_t n_heads = 0;
  bool sweeps_positions = false;
  // Columns of rows that must be there: the effects, `kl_to_clean`, `interaction`.
  bool has_effects = false;
  bool has_pairs = false;
  bool has_interactions = false;
};

// Internal (the server broke the contract) names the column.
absl::Status CheckBlock(const ablation::v1::RowBlock& block, const BlockSizes& sizes);
// `n_tokens` of the block's prompt.
absl::Status CheckBlock(const ablation::v1::LikelihoodBlock& block, const BlockSizes& sizes, int64_t n_tokens);
absl::Status CheckBlock(const ablation::v1::CompensationBlock& block, const BlockSizes& sizes);
// Figures may be NaN, which says that they cannot be had.
absl::Status CheckBlock(const ablation::v1::SummaryBlock& block, const BlockSizes& sizes, int64_t n_variants);

}  // namespace ablate::client
