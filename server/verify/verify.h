// Measures how far an engine is from float64: the numeric floor (docs/numbers.md).
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/engine.h"
#include "server/verify/calibration.h"
#include "server/verify/case_run.h"
#include "server/verify/error_stats.h"
#include "server/verify/numeric_floor.h"

namespace ablate {

// The absolute error of one column over the prompts of one length.
struct ColumnError {
  std::string column;
  int32_t n_tokens = 0;
  ErrorStats stats;
};

// What else is compared over the prompts of one length.
struct LengthReport {
  int32_t n_tokens = 0;
  int32_t n_prompts = 0;
  // Forward passes' worth of readouts.
  int64_t n_rows = 0;
  // Rows whose most probable token is float64's.
  int64_t n_top1_equal = 0;
  // Of each prompt's read positions one: the zeroed heads' delta_logit_diff ordered by both engines.
  int32_t n_rankings = 0;
  // Heads in each.
  int32_t n_heads = 0;
  double spearman_mean = 0, spearman_worst = 0;
  // Of the `top` strongest: 10, or all where the model has fewer.
  int32_t top = 0;
  double overlap_mean = 0;
  int32_t overlap_worst = 0;
  // Wall-clock time of the same scans.
  double seconds = 0, reference_seconds = 0;
};

struct VerifyReport {
  // The engine under test.
  EngineInfo info;
  // By column in the order of MeasuredColumns, then by rising length.
  std::vector<ColumnError> errors;
  // By rising length.
  std::vector<LengthReport> lengths;

  std::vector<NumericFloor> floors() const;
};

// The calibration set and what float64 makes of it: what every precision is compared with.
struct VerifyReference {
  EngineInfo info;
  // With answers.
  std::vector<CalibrationCase> cases;
  // One of each case.
  std::vector<CaseRun> runs;
};

// Told before each of the calibration's prompts: which of how many, and its tokens.
using VerifyProgress = std::function<void(int32_t index, int32_t n_prompts, int32_t n_tokens)>;

// FailedPrecondition where the engine is not a float64 one; else as MakeCalibration and RunCase, with the engine's
// precision in front.
absl::StatusOr<VerifyReference> RunReference(Engine& engine, const VerifyProgress& progress);

// Runs the same on an engine that holds the same model: FailedPrecondition where it does not; else as RunReference.
absl::StatusOr<VerifyReport> Verify(Engine& subject, const VerifyReference& reference, const VerifyProgress& progress);

}  // namespace ablate
