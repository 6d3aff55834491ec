// One case of the calibration set, run by one engine.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/engine.h"

namespace ablate {

struct RunRow {
  // As RowColumns; empty: not there yet.
  std::vector<double> values;
  // [top_k], falling.
  std::vector<double> top_k_logprob;
  std::vector<int32_t> top_k_id;
};

// Complete and finite.
struct CaseRun {
  // The engine's time, in wall-clock seconds.
  double seconds = 0;
  size_t n_reads = 0;
  // [(2 + variants) * reads]: the donor's, the baseline's, the variants'.
  std::vector<RunRow> rows;

  const RunRow& At(int32_t variant, size_t read) const { return rows[(variant + 2) * n_reads + read]; }
};

// Runs a scan with a donor, answers and effects. Besides the engine's own errors: Internal where a row is missing,
// comes twice or lacks a column; DataLoss names the variant, position and column of a value that is not finite.
absl::StatusOr<CaseRun> RunCase(Engine& engine, const Scan& scan);

// The most probable tokens at each of the scan's read positions in its unedited run; nothing else is run.
absl::StatusOr<std::vector<std::vector<int32_t>>> TopTokens(Engine& engine, const Scan& scan);

}  // namespace ablate
