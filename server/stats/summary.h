// All statistics of a request over its prompts, as scan.proto's SummaryHead and SummaryBlock describe them.
//
// An entry is what gets one line of the summary. A family is what multiplicity is counted over: the entries of one
// replacement.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace ablate::stats {

// What an entry's ratios are made of; -1: it has none.
struct EntryRatios {
  // Column of `SummaryInput::gap`.
  int32_t gap = -1;
  // The corrupted run was edited (denoising): its delta counts from 0, elsewhere from the gap.
  bool edits_corrupted = false;
  // Of `all_but`: the entry that keeps nothing.
  int32_t none_kept = -1;
};

// Spans must outlive the call. P prompts that estimate, E entries, G gaps.
struct SummaryInput {
  // [P]; empty: the prompt names none.
  absl::Span<const std::string> templates;
  // Entries of all families, E: a multiple of n_families. Family f has the entries f * E / n_families and on, and all
  // families have theirs in the same order.
  int32_t n_entries = 0;
  int32_t n_families = 1;
  // [P, E], the primary metric's delta. NaN: the prompt has no such row, e.g. is too short for a position.
  absl::Span<const double> delta;
  // [P, E], 0 or 1; empty: not known.
  absl::Span<const uint8_t> top1_preserved;
  // [P, G], the primary metric of the clean run minus the corrupted run's. Empty: no pairs.
  absl::Span<const double> gap;
  // [E]; empty: no ratios.
  absl::Span<const EntryRatios> ratios;
};

enum class Test {
  kSignFlips,
  // For very many entries; p_fwer is then Holm's.
  kT,
};

struct SummaryOptions {
  int32_t bootstrap_resamples = 2000;
  int32_t sign_flips = 10'000;
  uint64_t seed = 0;
  double min_effect = 0.0;
  double min_denominator = 0.1;
  Test test = Test::kSignFlips;
  // Entries with values in fewer clusters have no p and q, and do not count in their family. >= 2
  int32_t min_test_clusters = 20;
  // Asked now and then: its error ends the work and is returned.
  std::function<absl::Status()> go_on = nullptr;
};

struct RankAgreement {
  // Families, first < second.
  int32_t first = 0;
  int32_t second = 0;
  double spearman = 0.0;
};

// Columns are [E] and hold what SummaryBlock says under the same name; NaN where a figure cannot be had.
struct SummaryTable {
  int32_t n_clusters = 0;
  int32_t n_prompts = 0;
  bool assumes_iid = false;
  int32_t bootstrap_resamples = 0;
  // 0 where none were made.
  int32_t sign_flips = 0;
  std::vector<double> mean;
  std::vector<double> std;
  std::vector<double> sem;
  std::vector<double> ci_low;
  std::vector<double> ci_high;
  std::vector<double> sign_share;
  std::vector<double> top1_share;
  // Each entry's own p: of its flips, or of its t test. What q_bh and q_by are made of.
  std::vector<double> p;
  std::vector<double> p_fwer;
  std::vector<double> q_bh;
  std::vector<double> q_by;
  std::vector<double> normalized;
  std::vector<double> faithfulness;
  // One for every two families.
  std::vector<RankAgreement> rank_agreement;
};

// Equal inputs and seeds, equal bits, on every machine (a t test's p: as far as its C library rounds alike). The sign
// patterns are the same for all families. Takes about 100 MB beside one more copy of `delta` at most. InvalidArgument
// names what does not fit. Thread-safe.
absl::StatusOr<SummaryTable> Summarize(const SummaryInput& input, const SummaryOptions& options);

}  // namespace ablate::stats
