// Kept sets: is this circuit enough?
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cpp/cli/figure.h"
#include "client/cpp/cli/text.h"

namespace ablate::cli {
namespace {

constexpr int kMostLabel = 28;

struct RandomSets {
  int n = 0, as_large = 0;
  double sum = 0;
};

}  // namespace

std::vector<std::string> DrawAllBut(const Legend& legend, const VariantMeans& means, Color color) {
  const auto& variants = means.manifest().variants;
  constexpr char kFormat[] = "  %s %14s %13s %11s  %s";
  std::vector<std::string> lines = {
      Bold(color, absl::StrFormat(kFormat, PadRight("kept", kMostLabel), LevelName(means.metrics().primary),
                                  "faithfulness", "top-1 kept", "random sets of its size"))};
  const auto row = [&](const std::string& label, double level, double faithfulness, double top1,
                       const std::string& random) {
    lines.push_back(absl::StrFormat(kFormat, PadRight(Cut(label, kMostLabel), kMostLabel),
                                    std::isnan(level) ? "-" : absl::StrFormat("%+.4f", level),
                                    std::isnan(faithfulness) ? "-" : absl::StrFormat("%.3f", faithfulness),
                                    absl::StrFormat("%.0f %%", 100 * top1), random));
  };
  // The first variant keeps nothing.
  const auto none = means.At(0);
  const double denominator = means.baseline() - none.level;
  const double least =
      means.manifest().head.readout().has_min_denominator() ? means.manifest().head.readout().min_denominator() : 0.1;
  const auto faithfulness = [&](double level) {
    const bool is_too_small = std::abs(denominator) < least || denominator == 0;
    return is_too_small ? std::nan("") : (level - none.level) / denominator;
  };
  row("everything (unedited)", means.baseline(), faithfulness(means.baseline()), 1, "");
  if (none.n > 0) row("nothing", none.level, faithfulness(none.level), none.top1_share, "");
  for (size_t v = 1; v < variants.size(); ++v) {
    if (variants[v].is_random() || !variants[v].has_group() || means.At(v).n == 0) continue;
    const auto at = means.At(v);
    RandomSets random;
    for (size_t r = 1; r < variants.size(); ++r) {
      if (!variants[r].is_random() || variants[r].group() != variants[v].group() || means.At(r).n == 0) continue;
      ++random.n;
      random.sum += faithfulness(means.At(r).level);
      if (faithfulness(means.At(r).level) >= faithfulness(at.level)) ++random.as_large;
    }
    const bool is_given = random.n > 0 && !std::isnan(faithfulness(at.level));
    const std::string compared =
        is_given ? absl::StrFormat("mean %.3f; %d of %d as large", random.sum / random.n, random.as_large, random.n)
                 : "";
    row(legend.VariantTitle(static_cast<int32_t>(v)), at.level, faithfulness(at.level), at.top1_share, compared);
  }
  lines.emplace_back("faithfulness: (kept - nothing) / (everything - nothing); 1: the kept heads are enough");
  if (std::abs(denominator) < least) {
    lines.push_back(
        absl::StrFormat("not given: everything and nothing are less than %g apart (--min-denominator)", least));
  }
  return lines;
}

}  // namespace ablate::cli
