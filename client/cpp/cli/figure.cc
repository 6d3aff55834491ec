#include "client/cpp/cli/figure.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "client/cpp/cli/bars.h"
#include "client/cpp/cli/heatmap.h"
#include "client/cpp/cli/prompt_report.h"
#include "client/cpp/cli/text.h"

namespace ablate::cli {
namespace {

using ablation::v1::Sweep;

constexpr auto kSequence = ablation::v1::TARGET_MODE_SEQUENCE;

// Whether maps and bars show it, or the primary metric is what counts.
bool ShowsMap(const client::ScanManifest& manifest) {
  switch (manifest.head.sweep().kind_case()) {
    case Sweep::kPairs:
    case Sweep::kAllBut:
    case Sweep::kCumulative:
      return manifest.head.edit_positions().each();
    default:
      return true;
  }
}

std::string Explain(Metric metric, const client::ScanManifest& manifest) {
  const bool is_single = manifest.n_prompts() == 1;
  if (metric == Metric::kKlDivergence) return "KL divergence from the unedited run, nats";
  if (metric == Metric::kDeltaProbDiff) return "change of p(targets) - p(contrasts); negative: the heads help them";
  const auto name = [&](const auto& answers, const char* word) {
    if (answers.empty()) return std::string(word);
    const bool is_one = answers.size() == 1 || manifest.head.readout().target_mode() == kSequence;
    return is_one ? AnswerText(manifest, answers) : absl::StrCat(answers.size(), " ", word, "s");
  };
  const std::string target = is_single ? name(manifest.prompts[0].targets(), "target") : "target";
  if (metric == Metric::kDeltaLogitDiff) {
    const std::string contrast = is_single ? name(manifest.prompts[0].contrasts(), "contrast") : "contrast";
    return absl::StrCat("change of the logit difference, ", target, " minus ", contrast,
                        "; negative: the heads help it");
  }
  const auto kind = manifest.head.sweep().kind_case();
  const bool is_heads = kind == Sweep::kHeads || kind == Sweep::KIND_NOT_SET;
  return absl::StrCat("change of log p(", target,
                      "), nats; negative: ", is_heads ? "the head helps it" : "they help it");
}

// What the means are over, where that is not all prompts.
std::string SplitNote(const VariantMeans& means) {
  const int n = means.n_prompts();
  if (n == means.manifest().n_prompts()) return "";
  return absl::StrCat("over the ", n, n == 1 ? " prompt" : " prompts", " estimated on, without those that chose");
}

std::string ReadNote(const client::ScanManifest& manifest) {
  const auto& reads = manifest.prompts[0].read_positions();
  if (reads.size() <= 1) return "";
  return absl::StrCat("read at the last of ", reads.size(), " positions",
                      manifest.n_prompts() == 1 ? absl::StrCat(", ", *reads.rbegin()) : "",
                      "; --format jsonl or csv has all");
}

}  // namespace

SweepWords WordsOf(const client::ScanManifest& manifest) {
  switch (manifest.head.sweep().kind_case()) {
    case Sweep::kLayers:
      return {"one layer at a time", "layers", "layer"};
    case Sweep::kPairs:
      return {"one and two heads at a time", "heads and pairs", "heads"};
    case Sweep::kGroups:
      return {"one group at a time", "groups", "group"};
    case Sweep::kAllBut:
      return {"all heads but a set", "sets", "kept"};
    case Sweep::kCumulative:
      return {"more and more heads", "steps", "heads"};
    default:
      return {"one head at a time", "heads", "head"};
  }
}

std::vector<std::string> DrawFigure(const Legend& legend, const VariantMeans& means, Color color) {
  const auto& manifest = means.manifest();
  const bool is_each = manifest.head.edit_positions().each();
  const Metric metric = ShowsMap(manifest) ? means.metrics().map : means.metrics().primary;
  std::vector<std::string> lines = {
      Bold(color,
           absl::StrCat(manifest.n_prompts() == 1 ? "" : "Mean ", Name(metric), ", ", WordsOf(manifest).unit,
                        is_each ? ", one position at a time" : "", " -> ", legend.Replacement(means.replacement()),
                        means.weighs_templates() ? ", templates weighing alike" : "")),
      Explain(metric, manifest)};
  if (const std::string note = ReadNote(manifest); !note.empty()) lines.push_back(note);
  if (std::string note = SplitNote(means); !note.empty()) lines.push_back(std::move(note));
  std::vector<std::string> drawn;
  if (is_each) {
    drawn = DrawPositions(legend, means, color);
  } else {
    switch (manifest.head.sweep().kind_case()) {
      case Sweep::kLayers:
      case Sweep::kGroups:
        drawn = DrawBars(legend, means, color);
        break;
      case Sweep::kPairs:
        drawn = DrawPairs(legend, means, color);
        break;
      case Sweep::kAllBut:
        drawn = DrawAllBut(legend, means, color);
        break;
      case Sweep::kCumulative:
        drawn = DrawCumulative(legend, means, color);
        break;
      default:
        drawn = DrawHeads(means, color);
    }
  }
  for (const std::string& line : drawn) lines.emplace_back(absl::StripTrailingAsciiWhitespace(line));
  return lines;
}

std::vector<std::string> DrawHeads(const VariantMeans& means, Color color) {
  std::set<int32_t> layers, heads;
  const auto& variants = means.manifest().variants;
  for (const auto& variant : variants) {
    if (variant.sites_size() != 1) continue;
    layers.insert(variant.sites(0).layer());
    heads.insert(variant.sites(0).head());
  }
  HeatMap map;
  for (const int32_t layer : layers) map.row_labels.push_back(absl::StrCat("L", layer));
  for (const int32_t head : heads) map.column_labels.push_back(absl::StrCat("H", head));
  map.values.assign(layers.size() * heads.size(), std::nan(""));
  for (size_t v = 0; v < variants.size(); ++v) {
    if (variants[v].sites_size() != 1) continue;
    const auto row = std::distance(layers.begin(), layers.find(variants[v].sites(0).layer()));
    const auto column = std::distance(heads.begin(), heads.find(variants[v].sites(0).head()));
    map.values[row * heads.size() + column] = means.At(v).map;
  }
  return DrawHeatMap(map, color);
}

std::vector<std::string> DrawBars(const Legend& legend, const VariantMeans& means, Color color) {
  constexpr int kHalfWidth = 20, kMostLabel = 28;
  double max_abs = 0;
  int width = 0;
  for (size_t v = 0; v < means.n_variants(); ++v) {
    const double value = means.At(v).map;
    if (!std::isnan(value)) max_abs = std::max(max_abs, std::abs(value));
    width = std::max(width, VisibleWidth(Cut(legend.VariantTitle(static_cast<int32_t>(v)), kMostLabel)));
  }
  std::vector<std::string> lines;
  for (size_t v = 0; v < means.n_variants(); ++v) {
    const auto at = means.At(v);
    const std::string label = PadRight(Cut(legend.VariantTitle(static_cast<int32_t>(v)), kMostLabel), width);
    lines.push_back(at.n == 0 ? absl::StrCat("  ", label, "        .")
                              : absl::StrFormat("  %s %+9.4f %s  top-1 kept %3.0f %%", label, at.map,
                                                Bar(at.map, max_abs, kHalfWidth, color), 100 * at.top1_share));
  }
  return lines;
}

}  // namespace ablate::cli
