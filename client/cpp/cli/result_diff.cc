#include "client/cpp/cli/result_diff.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"

namespace ablate::cli {
namespace {

template <typename... Parts>
absl::Status Different(const ResultFile& a, const ResultFile& b, const Parts&... parts) {
  return absl::InvalidArgumentError(absl::StrCat(a.name, " and ", b.name, " hold different experiments: ", parts...));
}

constexpr size_t kMostShown = 100;

std::string Shown(const std::string& text) {
  return text.size() <= kMostShown ? text : absl::StrCat(text.substr(0, kMostShown), "...");
}

// Only where both files say.
absl::Status CheckExperiment(const ResultFile& a, const ResultFile& b) {
  if (a.experiment.empty() || b.experiment.empty()) return absl::OkStatus();
  for (size_t i = 0; i < std::min(a.experiment.size(), b.experiment.size()); ++i) {
    const auto& [name, value] = a.experiment[i];
    if (a.experiment[i] == b.experiment[i]) continue;
    return Different(a, b, name, " is ", Shown(value), " in the one, ", Shown(b.experiment[i].second), " in the other");
  }
  if (a.experiment.size() == b.experiment.size()) return absl::OkStatus();
  return Different(a, b, "one has more prompts than the other");
}

// The first row of `a` that `b` has not; null: none.
const ResultFile::Row* FindMissing(const ResultFile& a, const ResultFile& b, size_t* count) {
  size_t first = a.rows.size();
  *count = 0;
  for (const auto& [key, row] : a.index) {
    if (b.index.contains(key)) continue;
    first = std::min(first, row);
    ++*count;
  }
  return *count == 0 ? nullptr : &a.rows[first];
}

absl::Status CheckSameRows(const ResultFile& a, const ResultFile& b) {
  size_t count = 0;
  for (const auto& [with, without] : {std::pair(&a, &b), std::pair(&b, &a)}) {
    const auto* row = FindMissing(*with, *without, &count);
    if (row == nullptr) continue;
    return Different(a, b, count, " of ", with->rows.size(), " rows are in ", with->name, " only, the first of them ",
                     row->label);
  }
  return absl::OkStatus();
}

absl::Status CheckHasFigures(const ResultFile& file, size_t column, const std::string& name) {
  const bool has = std::any_of(file.rows.begin(), file.rows.end(),
                               [column](const auto& row) { return row.values[column].has_value(); });
  if (has) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("column `", name, "` is empty in every row of ", file.name,
                                                 ": expected figures; --column names another, e.g. kl_divergence"));
}

double Distance(const std::optional<double>& a, const std::optional<double>& b) {
  if (!a && !b) return 0;
  if (!a || !b) return std::numeric_limits<double>::infinity();
  return std::abs(*b - *a);
}

}  // namespace

absl::StatusOr<ResultDiff> DiffResults(const ResultFile& a, const ResultFile& b,
                                       const std::vector<std::string>& columns, double atol) {
  auto status = CheckExperiment(a, b);
  if (status.ok()) status = CheckSameRows(a, b);
  for (size_t c = 0; c < columns.size(); ++c) {
    status.Update(CheckHasFigures(a, c, columns[c]));
    status.Update(CheckHasFigures(b, c, columns[c]));
  }
  if (!status.ok()) return status;
  ResultDiff diff;
  diff.n_rows = a.rows.size();
  std::vector<const ResultFile::Row*> other(a.rows.size());
  for (const auto& [key, row] : a.index) other[row] = &b.rows[b.index.at(key)];
  for (size_t r = 0; r < a.rows.size(); ++r) {
    const auto before = diff.moves.size();
    for (size_t c = 0; c < columns.size(); ++c) {
      const auto &was = a.rows[r].values[c], &is = other[r]->values[c];
      const double distance = Distance(was, is);
      diff.largest = std::max(diff.largest, distance);
      if (distance > atol) diff.moves.push_back({a.rows[r].label, c, was, is, distance});
    }
    if (diff.moves.size() > before) ++diff.n_moved_rows;
  }
  std::stable_sort(diff.moves.begin(), diff.moves.end(),
                   [](const Move& left, const Move& right) { return left.distance > right.distance; });
  return diff;
}

}  // namespace ablate::cli
