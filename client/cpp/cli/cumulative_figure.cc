// Growing sets: the metric as a curve over the number of heads, and where the prediction falls.
#include <algorithm>
#include <cmath>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "client/cpp/cli/figure.h"
#include "client/cpp/cli/text.h"

namespace ablate::cli {
namespace {

constexpr int kHeight = 10;
constexpr size_t kMostColumns = 68;
constexpr size_t kMostNamed = 12;

struct Point {
  double level = 0;
  double top1_share = 1;
};

// The site that step `v` adds; empty where it cannot be told.
std::string AddedSite(const client::ScanManifest& manifest, size_t v) {
  const auto& now = manifest.variants[v].sites();
  for (const auto& site : now) {
    bool is_new = true;
    if (v > 0) {
      const auto& before = manifest.variants[v - 1].sites();
      is_new = std::none_of(before.begin(), before.end(), [&](const auto& other) {
        return other.layer() == site.layer() && other.head() == site.head();
      });
    }
    if (is_new) return absl::StrCat("L", site.layer(), "H", site.head());
  }
  return "";
}

// Points, the unedited run first; steps that have not come end it.
std::vector<Point> PointsOf(const VariantMeans& means) {
  std::vector<Point> points = {{means.baseline(), 1}};
  for (size_t v = 0; v < means.n_variants() && means.At(v).n > 0; ++v) {
    points.push_back({means.At(v).level, means.At(v).top1_share});
  }
  return points;
}

// At most kMostColumns of them, evenly taken, first and last included.
std::vector<size_t> Columns(size_t n_points) {
  const size_t n = std::min(n_points, kMostColumns);
  std::vector<size_t> columns;
  columns.reserve(n);
  for (size_t c = 0; c < n; ++c) columns.push_back(n == 1 ? 0 : c * (n_points - 1) / (n - 1));
  return columns;
}

std::vector<std::string> Chart(const std::vector<Point>& points, const std::vector<size_t>& columns) {
  const auto [low, high] = std::minmax_element(points.begin(), points.end(),
                                               [](const Point& a, const Point& b) { return a.level < b.level; });
  const double range = high->level - low->level;
  std::vector<std::string> lines;
  for (int r = 0; r < kHeight; ++r) {
    std::string line = r == 0             ? absl::StrFormat("%9.4f |", high->level)
                       : r == kHeight - 1 ? absl::StrFormat("%9.4f |", low->level)
                                          : std::string(10, ' ') + "|";
    for (const size_t c : columns) {
      const double height = range == 0 ? 1 : (points[c].level - low->level) / range;
      line += std::lround((1 - height) * (kHeight - 1)) == r ? '*' : ' ';
    }
    lines.push_back(line);
  }
  std::string kept = "top-1     |";
  for (const size_t c : columns) kept += points[c].top1_share >= 0.5 ? '#' : '.';
  lines.push_back(kept);
  const std::string last = absl::StrCat(columns.back());
  const int gap = std::max(1, static_cast<int>(columns.size() - last.size()) - 1);
  lines.push_back(absl::StrCat("    heads  0", std::string(gap, ' '), columns.size() > 1 ? last : ""));
  return lines;
}

std::string WhereItFalls(const client::ScanManifest& manifest, const std::vector<Point>& points) {
  const bool is_single = manifest.n_prompts() == 1;
  const auto fallen =
      std::find_if(points.begin() + 1, points.end(), [](const Point& point) { return point.top1_share < 0.5; });
  if (fallen == points.end()) {
    return absl::StrCat(is_single ? "The top-1 token stays" : "Half of the prompts or more keep their top-1 token",
                        " through all ", points.size() - 1, " steps");
  }
  const size_t n = fallen - points.begin();
  const std::string added = AddedSite(manifest, n - 1);
  return absl::StrCat(
      is_single ? "The top-1 token falls with " : "Over half of the prompts lose their top-1 token with ", n,
      n == 1 ? " head" : " heads", added.empty() ? "" : absl::StrCat(", the last of them ", added));
}

}  // namespace

std::vector<std::string> DrawCumulative(const Legend& legend, const VariantMeans& means, Color) {
  const auto points = PointsOf(means);
  if (std::isnan(points[0].level)) return {"(the unedited run has not come yet)"};
  std::vector<std::string> lines = {absl::StrCat("below: ", means.manifest().n_prompts() == 1 ? "" : "mean ",
                                                 LevelName(means.metrics().primary),
                                                 " over the number of heads edited; # top-1 kept, . lost")};
  for (std::string& line : Chart(points, Columns(points.size()))) lines.push_back(std::move(line));
  lines.push_back(WhereItFalls(legend.manifest(), points));
  std::vector<std::string> order;
  for (size_t v = 0; v < std::min(means.n_variants(), kMostNamed); ++v) {
    order.push_back(AddedSite(means.manifest(), v));
  }
  lines.push_back(absl::StrCat(
      "order     ", absl::StrJoin(order, " "),
      means.n_variants() > kMostNamed ? absl::StrCat(" ... (", means.n_variants() - kMostNamed, " more)") : ""));
  return lines;
}

}  // namespace ablate::cli
