#include "client/cpp/cli/prompt_report.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "client/cpp/cli/figure.h"
#include "client/cpp/cli/text.h"

namespace ablate::cli {
namespace {

using ablation::v1::RowBlock;

constexpr char kPromptFormat[] = "%4s  %s  %s %8s %4s  %s %8s  %s";
// All but the prompt and the strongest run, `top-1 kept` at most as wide as its heading.
constexpr int kOtherWidth = 57;
constexpr int kLeastPrompt = 12, kMostPrompt = 36;
constexpr int kTargetWidth = 12;
constexpr int kMostTitle = 28;

std::string Number(double value, bool is_signed = true) {
  if (std::isnan(value)) return "-";
  return is_signed ? absl::StrFormat("%+.4f", value) : absl::StrFormat("%.4f", value);
}

std::string Joined(const google::protobuf::RepeatedPtrField<ablation::v1::Token>& tokens) {
  return absl::StrJoin(tokens, "",
                       [](std::string* out, const ablation::v1::Token& token) { out->append(token.text()); });
}

// Small ones with an exponent, never as 0.
std::string Probability(double log_p) {
  const double p = std::exp(log_p);
  return p < 0.0001 ? absl::StrFormat("%.1e", p) : absl::StrFormat("%.4f", p);
}

// `top-3` with probabilities where the scan has them, else `top-1`.
std::string DescribeTop(const Row& row, int top_k) {
  if (top_k == 0) return absl::StrCat("top-1     ", Quote(row.Top1Text()));
  std::vector<std::string> tokens;
  for (int i = row.index * top_k; i < (row.index + 1) * top_k; ++i) {
    const int32_t id = row.columns().top_k_id(i);
    const std::string* text = row.block->TokenText(id);
    tokens.push_back(absl::StrCat(text == nullptr ? absl::StrCat(id) : Quote(*text), " ",
                                  Probability(row.columns().top_k_logprob(i))));
  }
  return absl::StrCat(PadRight(absl::StrCat("top-", top_k), 10), absl::StrJoin(tokens, ", "));
}

std::string Rank(const Row& row) {
  return row.index < row.columns().target_rank_size() ? absl::StrCat(row.columns().target_rank(row.index)) : "-";
}

// What a pair's corrupted run predicts.
std::string DescribeCorrupted(const Row& row) {
  std::string line = absl::StrCat("corrupted top-1 ", Quote(row.Top1Text()));
  const double logit_diff = row.Value(row.columns().logit_diff());
  if (!std::isnan(logit_diff)) absl::StrAppend(&line, ", logit difference ", Number(logit_diff));
  return line;
}

}  // namespace

std::vector<Row> AtLastReadPosition(absl::Span<const Row> rows) {
  int32_t last = -1;
  for (const Row& row : rows) last = std::max(last, row.position());
  std::vector<Row> chosen;
  std::copy_if(rows.begin(), rows.end(), std::back_inserter(chosen),
               [last](const Row& row) { return row.position() == last; });
  return chosen;
}

std::vector<Row> OfReplacement(absl::Span<const Row> rows, int32_t replacement) {
  std::vector<Row> chosen;
  std::copy_if(rows.begin(), rows.end(), std::back_inserter(chosen),
               [replacement](const Row& row) { return row.key().replacement == replacement; });
  return chosen;
}

std::vector<Row> Strongest(absl::Span<const Row> rows, Metric metric, size_t n) {
  std::vector<Row> sorted;
  std::copy_if(rows.begin(), rows.end(), std::back_inserter(sorted), [](const Row& row) { return !row.is_unedited(); });
  std::stable_sort(sorted.begin(), sorted.end(), [metric](const Row& a, const Row& b) {
    return std::abs(MetricOf(metric, a)) > std::abs(MetricOf(metric, b));
  });
  if (sorted.size() > n) sorted.resize(n);
  return sorted;
}

int CountTop1Preserved(absl::Span<const Row> rows) {
  return static_cast<int>(std::count_if(rows.begin(), rows.end(), [](const Row& row) {
    return !row.is_unedited() && row.index < row.columns().top1_preserved_size() &&
           row.columns().top1_preserved(row.index);
  }));
}

int CountEdited(absl::Span<const Row> rows) {
  return static_cast<int>(std::count_if(rows.begin(), rows.end(), [](const Row& row) { return !row.is_unedited(); }));
}

std::string RunTitle(const Legend& legend, const Row& row) {
  const client::RunKey key = row.key();
  const std::string position = key.edit_position >= 0 ? absl::StrCat("@", key.edit_position) : "";
  return CutBefore(legend.VariantTitle(key.variant), position, kMostTitle);
}

std::string AnswerText(const client::ScanManifest& manifest,
                       const google::protobuf::RepeatedPtrField<ablation::v1::Token>& tokens) {
  constexpr int kShown = 3;
  if (manifest.head.readout().target_mode() == ablation::v1::TARGET_MODE_SEQUENCE) return Quote(Joined(tokens));
  std::string text;
  for (int i = 0; i < std::min(kShown, tokens.size()); ++i) {
    absl::StrAppend(&text, i == 0 ? "" : " ", Quote(tokens.Get(i).text()));
  }
  if (tokens.size() > kShown) absl::StrAppend(&text, " ... (", tokens.size(), " tokens)");
  return text;
}

std::vector<std::string> DescribeBaseline(const client::ScanManifest& manifest, int prompt_index,
                                          absl::Span<const Row> rows) {
  const auto& prompt = manifest.prompts[prompt_index];
  const Row& baseline = rows[0];
  const RowBlock& block = baseline.columns();
  std::vector<std::string> lines;
  if (const double log_p = baseline.Value(block.target_logprob()); !prompt.targets().empty() && !std::isnan(log_p)) {
    lines.push_back(absl::StrFormat("target    %s  log p %.4f (p %s), rank %s", AnswerText(manifest, prompt.targets()),
                                    log_p, Probability(log_p), Rank(baseline)));
  }
  if (const double log_p = baseline.Value(block.contrast_logprob());
      !prompt.contrasts().empty() && !std::isnan(log_p)) {
    lines.push_back(absl::StrFormat("contrast  %s  log p %.4f (p %s)", AnswerText(manifest, prompt.contrasts()), log_p,
                                    Probability(log_p)));
    const double logit_diff = baseline.Value(block.logit_diff());
    if (!std::isnan(logit_diff)) lines.back() += absl::StrFormat(", logit difference %+.4f", logit_diff);
  }
  lines.push_back(DescribeTop(baseline, manifest.head.readout().top_k()));
  for (const Row& row : rows) {
    if (row.variant() == client::kCorrupted) lines.push_back(DescribeCorrupted(row));
  }
  return lines;
}

std::vector<std::string> StrongestTable(const Legend& legend, absl::Span<const Row> strongest, const std::string& title,
                                        Color color) {
  const bool has_normalized = std::any_of(strongest.begin(), strongest.end(), [](const Row& row) {
    return !std::isnan(row.Value(row.columns().normalized()));
  });
  int width = 7;
  for (const Row& row : strongest) width = std::max(width, VisibleWidth(RunTitle(legend, row)));
  const auto line = [&](const std::string& head, const std::string& target, const std::string& contrast,
                        const std::string& diff, const std::string& kl, const std::string& normalized,
                        const std::string& rank, const std::string& top1) {
    const std::string column = has_normalized ? absl::StrFormat(" %10s", normalized) : "";
    return absl::StrFormat("  %s %12s %14s %10s %7s%s %4s  %s", PadRight(head, width), target, contrast, diff, kl,
                           column, rank, top1);
  };
  std::vector<std::string> lines = {
      Bold(color, title), line(WordsOf(legend.manifest()).heading, "log p target", "log p contrast", "logit diff", "KL",
                               "normalized", "rank", "top-1")};
  for (const Row& row : strongest) {
    const RowBlock& block = row.columns();
    const bool is_kept = row.index < block.top1_preserved_size() && block.top1_preserved(row.index);
    lines.push_back(line(RunTitle(legend, row), Number(row.Value(block.delta_target_logprob())),
                         Number(row.Value(block.delta_contrast_logprob())), Number(row.Value(block.delta_logit_diff())),
                         Number(row.Value(block.kl_divergence()), false), Number(row.Value(block.normalized())),
                         Rank(row), absl::StrCat(Quote(row.Top1Text()), is_kept ? "" : " (changed)")));
  }
  return lines;
}

PromptColumns ChoosePromptColumns(const Legend& legend, int width) {
  PromptColumns columns;
  if (legend.manifest().head.edit_positions().each()) columns.strongest += 2;
  if (legend.n_replacements() > 1) {
    int longest = 0;
    for (int r = 0; r < legend.n_replacements(); ++r) longest = std::max(longest, VisibleWidth(legend.Replacement(r)));
    columns.strongest += longest - 2;
  }
  columns.prompt = std::clamp(width - kOtherWidth - columns.strongest, kLeastPrompt, kMostPrompt);
  return columns;
}

std::string PromptHeading(const PromptColumns& columns, Color color) {
  return Bold(color,
              absl::StrFormat(kPromptFormat, "#", PadRight("prompt", columns.prompt), PadRight("target", kTargetWidth),
                              "log p", "rank", PadRight("strongest", columns.strongest), "delta", "top-1 kept"));
}

std::string PromptLine(const Legend& legend, const PromptColumns& columns, int prompt, absl::Span<const Row> rows,
                       Metric metric) {
  const auto& resolved = legend.manifest().prompts[prompt];
  const Row& baseline = rows[0];
  const std::vector<Row> strongest = Strongest(rows, metric, 1);
  const double log_p = baseline.Value(baseline.columns().target_logprob());
  const bool has_target = !std::isnan(log_p) && !resolved.targets().empty();
  std::string title = "-";
  if (!strongest.empty()) {
    title = RunTitle(legend, strongest[0]);
    if (legend.n_replacements() > 1) {
      absl::StrAppend(&title, " ", legend.Replacement(strongest[0].key().replacement));
    }
  }
  return absl::StrFormat(
      kPromptFormat, absl::StrCat(prompt),
      PadRight(Cut(Quote(Joined(resolved.tokens())), columns.prompt), columns.prompt),
      PadRight(has_target ? Cut(AnswerText(legend.manifest(), resolved.targets()), kTargetWidth) : "-", kTargetWidth),
      Number(log_p), has_target ? Rank(baseline) : "-", PadRight(title, columns.strongest),
      strongest.empty() ? "-" : absl::StrFormat("%+.4f", MetricOf(metric, strongest[0])),
      absl::StrCat(CountTop1Preserved(rows), "/", CountEdited(rows)));
}

}  // namespace ablate::cli
