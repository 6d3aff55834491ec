// How far the rows of two result files are apart.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/cpp/cli/result_file.h"

namespace ablate::cli {

struct Move {
  std::string label;  // ResultFile::Row's
  size_t column = 0;
  std::optional<double> a, b;
  // |b - a|; infinite where only one of them is there.
  double distance = 0;
};

struct ResultDiff {
  // Those of more than `atol`, the farthest first.
  std::vector<Move> moves;
  // Rows in which something moved, and rows compared.
  size_t n_moved_rows = 0, n_rows = 0;
  // The largest distance of all, moved or not.
  double largest = 0;
};

// InvalidArgument where the files hold different experiments (which, it names), or a column has no figure in any row.
absl::StatusOr<ResultDiff> DiffResults(const ResultFile& a, const ResultFile& b,
                                       const std::vector<std::string>& columns, double atol);

}  // namespace ablate::cli
