#include "client/cpp/cli/effects_report.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cpp/cli/extra_columns.h"
#include "client/cpp/cli/figure.h"
#include "client/cpp/cli/prompt_report.h"
#include "client/cpp/cli/text.h"

namespace ablate::cli {
namespace {

constexpr int kMostTitle = 28;
constexpr size_t kLikelihoodsShown = 5;
constexpr size_t kPartsShown = 4;
constexpr size_t kCompensationsShown = 5;

std::string Title(const Legend& legend, const client::RunKey& key) {
  std::string suffix;
  if (key.edit_position >= 0) absl::StrAppend(&suffix, "@", key.edit_position);
  if (legend.n_replacements() > 1 && !key.is_unedited()) {
    absl::StrAppend(&suffix, " ", legend.Replacement(key.replacement));
  }
  return CutBefore(legend.VariantTitle(key.variant), suffix, kMostTitle);
}

bool IsSameRun(const client::RunKey& a, const client::RunKey& b) {
  return a.variant == b.variant && a.replacement == b.replacement && a.edit_position == b.edit_position;
}

struct Part {
  std::string name;
  double change;
};

double Sum(absl::Span<const double> values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum;
}

// `heads +0.8000, MLPs -0.1000, LayerNorm +0.2000`, and on a second line `most: L10H7 +0.5000, ...`.
std::string Describe(const Legend& legend, const CompensationEntry& entry) {
  const auto& model = legend.manifest().head.model();
  const auto heads = CompensationHeads(entry, int64_t{model.n_layers()} * model.n_heads());
  const auto mlps = CompensationMlps(entry, model.n_layers());
  std::vector<Part> parts;
  parts.reserve(heads.size() + mlps.size());
  for (size_t i = 0; i < heads.size(); ++i) {
    parts.push_back({absl::StrCat("L", i / model.n_heads(), "H", i % model.n_heads()), heads[i]});
  }
  for (size_t layer = 0; layer < mlps.size(); ++layer) parts.push_back({absl::StrCat("L", layer, "MLP"), mlps[layer]});
  const size_t n = std::min(kPartsShown, parts.size());
  std::partial_sort(parts.begin(), parts.begin() + static_cast<std::ptrdiff_t>(n), parts.end(),
                    [](const Part& a, const Part& b) { return std::abs(a.change) > std::abs(b.change); });
  std::string most;
  for (size_t i = 0; i < n; ++i) {
    absl::StrAppend(&most, i == 0 ? "" : ", ", parts[i].name, absl::StrFormat(" %+.4f", parts[i].change));
  }
  return absl::StrFormat("heads %+.4f, MLPs %+.4f, LayerNorm %+.4f\n          most: %s", Sum(heads), Sum(mlps),
                         entry.block->layer_norm(entry.index), most);
}

struct NamedEffects {
  std::string name;
  Effects effects;
};

std::vector<std::string> DrawEffects(const std::string& title, const std::string& heading,
                                     const std::vector<NamedEffects>& runs, Color color) {
  constexpr char kFormat[] = "  %s %12s %10s %13s %10s %10s";
  int width = 7;
  for (const auto& run : runs) width = std::max(width, VisibleWidth(run.name));
  std::vector<std::string> lines = {
      Bold(color, title), absl::StrFormat(kFormat, PadRight(heading, width), "contribution", "direct", "direct (live)",
                                          "indirect", "total")};
  const auto number = [](double value) { return absl::StrFormat("%+.4f", value); };
  for (const auto& [name, effects] : runs) {
    lines.push_back(absl::StrFormat(kFormat, PadRight(name, width), number(effects.contribution),
                                    number(effects.direct), number(effects.direct_live), number(effects.indirect),
                                    number(effects.total)));
  }
  lines.emplace_back("contribution: what the heads write, unedited; direct: its change, later parts");
  lines.emplace_back("frozen; live: through the final LayerNorm; indirect: total - direct (no natural");
  lines.emplace_back("indirect effect), of opposite sign: self-repair");
  return lines;
}

constexpr char kEffectsTitle[] = "Effects on the logit difference";

}  // namespace

std::vector<std::string> EffectsTable(const Legend& legend, absl::Span<const Row> strongest, const std::string& of,
                                      Color color) {
  if (strongest.empty() || strongest[0].columns().total_effect().empty()) return {};
  std::vector<NamedEffects> runs;
  runs.reserve(strongest.size());
  for (const Row& row : strongest) runs.push_back({RunTitle(legend, row), Effects::Of(row)});
  return DrawEffects(absl::StrCat(kEffectsTitle, of), WordsOf(legend.manifest()).heading, runs, color);
}

std::vector<std::string> MeanEffectsTable(const Legend& legend, const VariantMeans& means, size_t n,
                                          const std::string& of, Color color) {
  struct Entry {
    double strength;
    size_t variant, edit_index;
  };
  std::vector<Entry> entries;
  for (size_t v = 0; v < means.n_variants(); ++v) {
    for (size_t e = 0; e < means.edit_positions().size(); ++e) {
      const auto at = means.At(v, e);
      if (!std::isnan(at.effects.total)) entries.push_back({std::abs(at.delta), v, e});
    }
  }
  if (entries.empty()) return {};
  std::stable_sort(entries.begin(), entries.end(),
                   [](const Entry& a, const Entry& b) { return a.strength > b.strength; });
  entries.resize(std::min(n, entries.size()));
  std::vector<NamedEffects> runs;
  runs.reserve(entries.size());
  for (const Entry& entry : entries) {
    const bool is_each = legend.manifest().head.edit_positions().each();
    const std::string position = is_each ? absl::StrCat("@", means.edit_positions()[entry.edit_index]) : "";
    runs.push_back({CutBefore(legend.VariantTitle(static_cast<int32_t>(entry.variant)), position, kMostTitle),
                    means.At(entry.variant, entry.edit_index).effects});
  }
  const std::string title = absl::StrCat(kEffectsTitle, of, ", means over ", means.n_prompts(),
                                         means.n_prompts() == 1 ? " prompt" : " prompts",
                                         means.weighs_templates() ? ", templates weighing alike" : "");
  return DrawEffects(title, WordsOf(legend.manifest()).heading, runs, color);
}

std::vector<std::string> CompensationTable(const Legend& legend, absl::Span<const Row> strongest,
                                           absl::Span<const CompensationEntry> compensations, Color color) {
  std::vector<std::string> lines;
  for (const Row& row : strongest.subspan(0, std::min(kCompensationsShown, strongest.size()))) {
    for (const CompensationEntry& entry : compensations) {
      if (!IsSameRun(entry.key(), row.key()) || entry.block->position(entry.index) != row.position()) continue;
      if (lines.empty()) lines.push_back(Bold(color, "What later parts of the model do about it"));
      lines.push_back(absl::StrCat("  ", PadRight(RunTitle(legend, row), 7), " ", Describe(legend, entry)));
    }
  }
  return lines;
}

std::vector<std::string> LikelihoodTable(const Legend& legend, absl::Span<const LikelihoodEntry> likelihoods,
                                         Color color) {
  if (likelihoods.empty()) return {};
  constexpr char kFormat[] = "  %s %9s %11s %9s";
  std::vector<LikelihoodEntry> shown, edited;
  for (const LikelihoodEntry& entry : likelihoods) (entry.key().is_unedited() ? shown : edited).push_back(entry);
  const auto strength = [](const LikelihoodEntry& entry) { return std::abs(entry.block->delta_mean_nll(entry.index)); };
  std::stable_sort(edited.begin(), edited.end(),
                   [&](const auto& a, const auto& b) { return strength(a) > strength(b); });
  edited.resize(std::min(edited.size(), kLikelihoodsShown));
  shown.insert(shown.end(), edited.begin(), edited.end());
  int width = 8;
  for (const auto& entry : shown) width = std::max(width, VisibleWidth(Title(legend, entry.key())));
  std::vector<std::string> lines = {
      Bold(color, "How likely the prompt itself is (nats a token), and the runs that change it most"),
      absl::StrFormat(kFormat, PadRight("run", width), "mean NLL", "perplexity", "change")};
  for (const auto& entry : shown) {
    const double nll = entry.block->mean_nll(entry.index);
    lines.push_back(absl::StrFormat(kFormat, PadRight(Title(legend, entry.key()), width), absl::StrFormat("%.4f", nll),
                                    absl::StrFormat("%.2f", std::exp(nll)),
                                    absl::StrFormat("%+.4f", entry.block->delta_mean_nll(entry.index))));
  }
  return lines;
}

}  // namespace ablate::cli
