#include "server/stats/sign_flips.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <limits>
#include <numeric>

#include "server/stats/flip_source.h"
#include "server/stats/loops.h"
#include "server/stats/moments.h"

namespace ablate::stats {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
// Flips at a time: their sums [kFlips, kColumns] take 256 KB, and making a table costs an eighth of using it.
constexpr size_t kFlips = 2048;
constexpr size_t kPatterns = 256;

// Statistics are compared as g = T / sqrt(N + T^2), N = C - 1: rising with T, between -1 and 1, and without infinities
// where a flip leaves no variance. Sums of squares do not change under flips, so that with y's mean as u in units of
// its root mean square, u = sum(+-y) / sqrt(n sum(y^2)), t = u sqrt(n - 1) / sqrt(1 - u^2): where all clusters are
// there and min_effect is 0, g is |u|.
struct Column {
  size_t entry = 0;
  // y * scale sums to u.
  double side = 1.0;
  double scale = 0.0;
  // min_effect in u's units.
  double edge = 0.0;
  // (n - 1) / N
  double freedom = 1.0;
  // g of the data.
  double observed = 0.0;

  double Statistic(double u) const {
    double larger = u;
    if (edge == 0.0) {
      larger = std::fabs(u);
    } else if (const double other = -u - 2.0 * edge; other > u) {
      // The replicate's mean is beyond the other edge: T = (-m* - min_effect) / sem*.
      larger = other / std::sqrt(other * other + std::max(0.0, 1.0 - u * u));
    }
    if (freedom == 1.0) return larger;
    return larger * std::sqrt(freedom / (1.0 - larger * larger * (1.0 - freedom)));
  }
};

Column MakeColumn(size_t entry, absl::Span<const double> values, const Moments& moments, double min_effect) {
  Column column;
  column.entry = entry;
  column.side = moments.mean < 0.0 ? -1.0 : 1.0;
  column.freedom = (moments.n - 1.0) / (static_cast<double>(values.size()) - 1.0);
  double sum = 0.0;
  double squares = 0.0;
  for (const double value : values) {
    if (std::isnan(value)) continue;
    const double y = column.side * value - min_effect;
    sum += y;
    squares += y * y;
  }
  // All 0: so is every replicate, and p is 1.
  if (squares > 0.0) {
    column.scale = 1.0 / std::sqrt(moments.n * squares);
    column.edge = min_effect * column.scale * moments.n;
  }
  column.observed = column.Statistic(sum * column.scale);
  return column;
}

// Sums of eight clusters under each of their 256 sign patterns (Arlazarov et al. 1970, "the four Russians"): one
// addition instead of eight.
class Table {
 public:
  // Clusters 8 group .. of up to kColumns columns.
  void Fill(absl::Span<const double> cluster_means, size_t n_clusters, double min_effect,
            absl::Span<const Column> columns, size_t group) {
    std::array<std::array<double, kColumns>, 8> y{};
    const size_t first = 8 * group;
    for (size_t j = 0; j < columns.size(); ++j) {
      const double* values = cluster_means.data() + columns[j].entry * n_clusters;
      for (size_t c = first; c < std::min(n_clusters, first + 8); ++c) {
        if (!std::isnan(values[c])) y[c - first][j] = (columns[j].side * values[c] - min_effect) * columns[j].scale;
      }
    }
    for (size_t j = 0; j < kColumns; ++j) {
      rows_[0][j] = 0.0;
      for (const auto& cluster : y) rows_[0][j] -= cluster[j];
    }
    for (unsigned pattern = 1; pattern < kPatterns; ++pattern) {
      const auto& without = rows_[pattern & (pattern - 1)];
      const auto& cluster = y[std::countr_zero(pattern)];
      for (size_t j = 0; j < kColumns; ++j) rows_[pattern][j] = without[j] + 2.0 * cluster[j];
    }
  }
  const double* data() const { return rows_[0].data(); }

 private:
  std::array<std::array<double, kColumns>, kPatterns> rows_{};
};

class FlipCounter {
 public:
  FlipCounter(absl::Span<const double> cluster_means, int32_t n_clusters, const SignFlipOptions& options)
      : means_(cluster_means), n_clusters_(n_clusters), options_(options) {
    for (size_t e = 0; e < means_.size() / n_clusters_; ++e) {
      const absl::Span<const double> values = means_.subspan(e * n_clusters_, n_clusters_);
      const Moments moments = MomentsOf(values);
      if (moments.n >= std::max(2, options.min_clusters)) {
        columns_.push_back(MakeColumn(e, values, moments, options.min_effect));
      }
    }
    std::stable_sort(columns_.begin(), columns_.end(),
                     [](const Column& a, const Column& b) { return a.observed < b.observed; });
    reached_.resize(columns_.size());
    max_reached_.resize(columns_.size());
  }

  absl::StatusOr<SignFlipTest> Run() {
    SignFlipTest test;
    test.p.assign(means_.size() / n_clusters_, kNan);
    test.p_fwer = test.p;
    if (columns_.empty()) return test;
    FlipSource source(static_cast<int32_t>(n_clusters_), options_.flips, options_.seed);
    std::vector<uint8_t> patterns;
    for (int64_t done = 0; done < source.total(); done += kFlips) {
      const size_t n = std::min<int64_t>(kFlips, source.total() - done);
      source.Next(n, patterns);
      running_max_.assign(n, -1.0);
      for (size_t first = 0; first < columns_.size(); first += kColumns) {
        if (options_.go_on != nullptr) {
          if (absl::Status status = options_.go_on(); !status.ok()) return status;
        }
        const size_t last = std::min(columns_.size(), first + kColumns);
        Sum(patterns, n, source.n_groups(), absl::MakeConstSpan(columns_).subspan(first, last - first));
        Count(n, first, last);
      }
    }
    test.flips = source.total();
    test.exact = source.exact();
    Fill(test);
    return test;
  }

 private:
  // sums_ [n, kColumns]: u of each flip.
  void Sum(const std::vector<uint8_t>& patterns, size_t n, size_t n_groups, absl::Span<const Column> columns) {
    sums_.assign(n * kColumns, 0.0);
    for (size_t g = 0; g < n_groups; g += 2) {
      low_.Fill(means_, n_clusters_, options_.min_effect, columns, g);
      // Behind the last group a table of zeros, whatever the pattern.
      high_.Fill(means_, n_clusters_, options_.min_effect, columns, g + 1);
      const uint8_t* low_pattern = &patterns[g * n];
      AddTableRows(low_pattern, g + 1 < n_groups ? low_pattern + n : low_pattern, n, low_.data(), high_.data(),
                   sums_.data());
    }
  }

  // Columns come with rising observed statistics: the running maximum over those so far is step-down's.
  void Count(size_t n, size_t first, size_t last) {
    // A replicate that equals the data but for rounding is a tie, and counts: u sums C terms, whose absolute values add
    // up to at most 1, and a few more operations make g of it, on either side.
    const double slack = 2.0 * (static_cast<double>(n_clusters_) + 8.0) * std::numeric_limits<double>::epsilon();
    for (size_t column = first; column < last; ++column) {
      const double least = columns_[column].observed - slack;
      int64_t reached = 0;
      int64_t max_reached = 0;
      for (size_t i = 0; i < n; ++i) {
        const double statistic = columns_[column].Statistic(sums_[i * kColumns + column - first]);
        running_max_[i] = std::max(running_max_[i], statistic);
        reached += statistic >= least ? 1 : 0;
        max_reached += running_max_[i] >= least ? 1 : 0;
      }
      reached_[column] += reached;
      max_reached_[column] += max_reached;
    }
  }

  void Fill(SignFlipTest& test) const {
    const auto p_of = [&test](int64_t count) {
      if (test.exact) return static_cast<double>(count) / static_cast<double>(test.flips);
      return static_cast<double>(count + 1) / static_cast<double>(test.flips + 1);
    };
    int64_t most = 0;
    for (size_t column = columns_.size(); column-- > 0;) {
      most = std::max(most, max_reached_[column]);
      test.p[columns_[column].entry] = p_of(reached_[column]);
      test.p_fwer[columns_[column].entry] = p_of(most);
    }
  }

  const absl::Span<const double> means_;  // [E, C]
  const size_t n_clusters_;
  const SignFlipOptions& options_;
  std::vector<Column> columns_;
  // By column: flips whose own statistic, and whose maximum, is at least the data's.
  std::vector<int64_t> reached_;
  std::vector<int64_t> max_reached_;
  // Of the flips at hand.
  std::vector<double> sums_;         // [n, kColumns]
  std::vector<double> running_max_;  // [n]
  Table low_;
  Table high_;
};

}  // namespace

absl::StatusOr<SignFlipTest> TestBySignFlips(absl::Span<const double> cluster_means, int32_t n_clusters,
                                             const SignFlipOptions& options) {
  return FlipCounter(cluster_means, n_clusters, options).Run();
}

}  // namespace ablate::stats
