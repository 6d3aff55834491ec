// Values that pass between the engine and its callers. No torch header.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/plan/site.h"

namespace ablate {

enum class Precision { kFloat32, kFloat64 };

std::string_view Name(Precision precision);  // `float32`
absl::StatusOr<Precision> ParsePrecision(std::string_view text);

// Largest Scan::top_k.
inline constexpr int32_t kMaxTopK = 100;

// One prompt under one list of variants, with what is measured.
struct Scan {
  // [T], each in [0, V), 1 <= T <= n_positions.
  std::vector<int32_t> token_ids;
  // Without the baseline, which always runs.
  std::vector<Variant> variants;
  // Sorted, distinct, each in [0, T); at least one.
  std::vector<int32_t> read_positions;
  // In [0, V), or -1: none, and then the columns that need it stay empty.
  int32_t target_id = -1;
  int32_t contrast_id = -1;
  // 0 .. kMaxTopK.
  int32_t top_k = 0;
  // Polled between chunks, from the thread in Run; true drops the rest of this scan. May be empty.
  std::function<bool()> cancelled;
};

// Readouts of some rows of one scan, one entry a row in each column that is present (docs/design.md, "What is
// measured"). Values are float32 widened, or float64 in that precision.
struct ReadoutBlock {
  // Index into Run's scans.
  int32_t scan = 0;
  // Index into Scan::variants; -1 is the baseline.
  std::vector<int32_t> variant;
  std::vector<int32_t> position;
  std::vector<double> target_logit, contrast_logit, logit_diff;
  std::vector<double> target_logprob, contrast_logprob;
  std::vector<double> target_prob, prob_diff;
  std::vector<double> delta_target_logit, delta_contrast_logit, delta_logit_diff;
  std::vector<double> delta_target_logprob, delta_contrast_logprob;
  std::vector<double> delta_target_prob, delta_prob_diff;
  std::vector<int32_t> target_rank;
  std::vector<uint8_t> target_is_top1;
  std::vector<int32_t> top1_id;
  std::vector<uint8_t> top1_preserved;
  std::vector<double> kl_divergence, entropy;
  // [rows * top_k], falling.
  std::vector<int32_t> top_k_id;
  std::vector<double> top_k_logprob;
};

}  // namespace ablate
