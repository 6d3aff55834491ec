#include "client/cpp/cli/statistics_table.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cpp/cli/figure.h"
#include "client/cpp/cli/text.h"

namespace ablate::cli {
namespace {

using ablation::v1::SummaryBlock;

constexpr size_t kShown = 15;
constexpr int kMostTitle = 32;

struct SummaryEntry {
  const SummaryBlock* block;
  int i;

  double Value(const google::protobuf::RepeatedField<double>& column) const {
    return i < column.size() ? column.Get(i) : std::nan("");
  }
  static bool Flag(const google::protobuf::RepeatedField<bool>& column, int i) {
    return i < column.size() && column.Get(i);
  }
  bool below_floor() const { return Flag(block->below_floor(), i); }
  bool selected_in_sample() const { return Flag(block->selected_in_sample(), i); }
};

std::string Number(double value, const char* format) {
  if (std::isnan(value)) return "-";
  char text[32];
  std::snprintf(text, sizeof(text), format, value);
  return text;
}

// p values are never shown as 0: so many flips cannot tell.
std::string Probability(double p) {
  if (std::isnan(p)) return "-";
  return p < 0.0001 ? "<0.0001" : absl::StrFormat("%.4f", p);
}

std::string Title(const Legend& legend, const SummaryEntry& entry, bool many_reads) {
  const SummaryBlock& block = *entry.block;
  std::string suffix;
  if (entry.i < block.edit_position_size()) absl::StrAppend(&suffix, "@", block.edit_position(entry.i));
  if (legend.n_replacements() > 1) absl::StrAppend(&suffix, " ", legend.Replacement(block.replacement(entry.i)));
  if (many_reads) absl::StrAppend(&suffix, " read ", block.read_index(entry.i));
  return CutBefore(legend.VariantTitle(block.variant(entry.i)), suffix, kMostTitle);
}

std::string Basis(const Legend& legend, const ablation::v1::SummaryHead& head) {
  std::string line = absl::StrCat("Statistics of delta_", legend.manifest().head.primary_metric(), " over ",
                                  head.n_prompts(), head.n_prompts() == 1 ? " prompt" : " prompts");
  if (head.assumes_iid()) {
    absl::StrAppend(&line, ", each on its own (no `template`)");
  } else {
    absl::StrAppend(&line, " in ", head.n_clusters(), " clusters (templates)");
  }
  return line;
}

std::vector<SummaryEntry> ByStrength(const Summary& summary) {
  std::vector<SummaryEntry> entries;
  for (const auto& block : summary.blocks) {
    for (int i = 0; i < block.variant_size(); ++i) entries.push_back({&block, i});
  }
  const auto strength = [](const SummaryEntry& entry) {
    const double mean = entry.Value(entry.block->mean());
    return std::isnan(mean) ? -1.0 : std::abs(mean);
  };
  std::stable_sort(entries.begin(), entries.end(),
                   [&](const SummaryEntry& a, const SummaryEntry& b) { return strength(a) > strength(b); });
  return entries;
}

// A column that only some scans have.
struct Optional {
  const char* name;
  const google::protobuf::RepeatedField<double>& (SummaryBlock::*column)() const;
};
constexpr Optional kOptional[] = {{"normalized", &SummaryBlock::normalized},
                                  {"faithfulness", &SummaryBlock::faithfulness}};

// Below it the server tests nothing.
constexpr int kLeastClusters = 20;
constexpr char kRate[] = "q_bh: false discovery rate (Benjamini-Hochberg)";

void AppendNotes(const ablation::v1::SummaryHead& head, const std::vector<SummaryEntry>& shown,
                 std::vector<std::string>* lines) {
  lines->push_back(absl::StrFormat("interval: 95 %%, studentised cluster bootstrap (%d resamples, seed %d)",
                                   head.bootstrap_resamples(), head.seed()));
  if (head.sign_flips() > 0) {
    lines->push_back(absl::StrFormat("p_fwer: Westfall-Young max-t, %d sign flips, all entries of a replacement",
                                     head.sign_flips()));
    lines->emplace_back(kRate);
  } else if (head.n_clusters() >= kLeastClusters) {
    lines->emplace_back("p_fwer: Holm's step-down, of t tests over clusters, all entries of a replacement");
    lines->emplace_back(kRate);
  } else {
    lines->emplace_back("p_fwer, q_bh: not given under 20 clusters; nor is the interval of very few");
  }
  lines->emplace_back("sign: prompts of the mean's sign; top-1: prompts that keep their top-1 token");
  const auto any = [&](bool (SummaryEntry::*flag)() const) {
    return std::any_of(shown.begin(), shown.end(), [&](const SummaryEntry& entry) { return (entry.*flag)(); });
  };
  if (any(&SummaryEntry::below_floor)) lines->emplace_back("f: under the numeric floor; rounding could have made it");
  if (any(&SummaryEntry::selected_in_sample)) {
    lines->emplace_back("s: chosen on the very prompts that estimate it, which flatters it (see --split)");
  }
  lines->emplace_back("--format jsonl or csv has every entry and column");
}

}  // namespace

std::vector<std::string> StatisticsTable(const Legend& legend, const Summary& summary, Color color) {
  std::vector<SummaryEntry> shown = ByStrength(summary);
  const size_t n_entries = shown.size();
  const bool many_reads = std::any_of(shown.begin(), shown.end(), [](const SummaryEntry& entry) {
    return entry.i < entry.block->read_index_size() && entry.block->read_index(entry.i) > 0;
  });
  shown.resize(std::min(kShown, shown.size()));
  std::vector<Optional> optional;
  for (const Optional& column : kOptional) {
    const auto has = [&](const SummaryEntry& entry) {
      return !std::isnan(entry.Value((entry.block->*column.column)()));
    };
    if (std::any_of(shown.begin(), shown.end(), has)) optional.push_back(column);
  }
  int width = 7;
  for (const SummaryEntry& entry : shown) width = std::max(width, VisibleWidth(Title(legend, entry, many_reads)));
  constexpr char kFormat[] = "  %s %8s  %-18s %8s %7s %5s %5s";
  std::vector<std::string> lines = {Bold(color, Basis(legend, summary.head)),
                                    absl::StrFormat(kFormat, PadRight(WordsOf(legend.manifest()).heading, width),
                                                    "mean", "interval", "p_fwer", "q_bh", "sign", "top-1")};
  for (const Optional& column : optional) absl::StrAppendFormat(&lines.back(), " %12s", column.name);
  for (const SummaryEntry& entry : shown) {
    const SummaryBlock& block = *entry.block;
    const std::string interval = absl::StrCat(Number(entry.Value(block.ci_low()), "%+.4f"), " .. ",
                                              Number(entry.Value(block.ci_high()), "%+.4f"));
    std::string line = absl::StrFormat(kFormat, PadRight(Title(legend, entry, many_reads), width),
                                       Number(entry.Value(block.mean()), "%+.4f"), interval,
                                       Probability(entry.Value(block.p_fwer())), Probability(entry.Value(block.q_bh())),
                                       Number(100 * entry.Value(block.sign_share()), "%.0f %%"),
                                       Number(100 * entry.Value(block.top1_share()), "%.0f %%"));
    for (const Optional& column : optional) {
      absl::StrAppendFormat(&line, " %12s", Number(entry.Value((block.*column.column)()), "%.3f"));
    }
    absl::StrAppend(&line, entry.below_floor() ? " f" : "", entry.selected_in_sample() ? " s" : "");
    lines.push_back(std::move(line));
  }
  if (shown.size() < n_entries) lines.push_back(absl::StrCat("  ... the ", shown.size(), " strongest of ", n_entries));
  AppendNotes(summary.head, shown, &lines);
  for (const auto& pair : summary.head.rank_agreement()) {
    lines.push_back(absl::StrFormat("rank agreement (Spearman) of %s and %s: %s", legend.Replacement(pair.first()),
                                    legend.Replacement(pair.second()), Number(pair.spearman(), "%.3f")));
  }
  return lines;
}

}  // namespace ablate::cli
