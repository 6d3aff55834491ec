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

constexpr char kPromptFormat[] = "%5s  %s  %s  %9s  %5s  %-8s  %9s  %s";
constexpr int kPromptWidth = 36;
constexpr int kTargetWidth = 14;
constexpr int kMostTitle = 28;

std::string Number(double value, bool is_signed = true) {
  if (std::isnan(value)) return "-";
  return is_signed ? absl::StrFormat("%+.4f", value) : absl::StrFormat("%.4f", value);
}

std::string Text(const ablation::v1::ResolvedPrompt& prompt) {
  return absl::StrJoin(prompt.tokens(), "",
                       [](std::string* out, const ablation::v1::Token& token) { out->append(token.text()); });
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
  std::string title = legend.VariantTitle(key.variant);
  if (key.edit_position >= 0) absl::StrAppend(&title, "@", key.edit_position);
  return Cut(title, kMostTitle);
}

std::string AnswerText(const google::protobuf::RepeatedPtrField<ablation::v1::Token>& tokens) {
  constexpr int kShown = 3;
  std::string text;
  for (int i = 0; i < std::min(kShown, tokens.size()); ++i) {
    absl::StrAppend(&text, i == 0 ? "" : " ", Quote(tokens.Get(i).text()));
  }
  if (tokens.size() > kShown) absl::StrAppend(&text, " ... (", tokens.size(), " tokens)");
  return text;
}

std::vector<std::string> DescribeBaseline(const ablation::v1::ResolvedPrompt& prompt, absl::Span<const Row> rows) {
  const Row& baseline = rows[0];
  const RowBlock& block = baseline.columns();
  std::vector<std::string> lines;
  if (const double log_p = baseline.Value(block.target_logprob()); !prompt.targets().empty() && !std::isnan(log_p)) {
    lines.push_back(absl::StrFormat("target    %s  log p %.4f (p %.4f), rank %s", AnswerText(prompt.targets()), log_p,
                                    std::exp(log_p), Rank(baseline)));
  }
  if (const double log_p = baseline.Value(block.contrast_logprob());
      !prompt.contrasts().empty() && !std::isnan(log_p)) {
    lines.push_back(
        absl::StrFormat("contrast  %s  log p %.4f (p %.4f)", AnswerText(prompt.contrasts()), log_p, std::exp(log_p)));
    const double logit_diff = baseline.Value(block.logit_diff());
    if (!std::isnan(logit_diff)) lines.back() += absl::StrFormat(", logit difference %+.4f", logit_diff);
  }
  lines.push_back(absl::StrCat("top-1     ", Quote(baseline.Top1Text())));
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
    const std::string column = has_normalized ? absl::StrFormat(" %11s", normalized) : "";
    return absl::StrFormat("  %s %12s %14s %13s %12s%s %6s  %s", PadRight(head, width), target, contrast, diff, kl,
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
                         Rank(row), absl::StrCat(Quote(row.Top1Text()), is_kept ? "" : "  (changed)")));
  }
  return lines;
}

std::string PromptHeading(Color color) {
  return Bold(color,
              absl::StrFormat(kPromptFormat, "#", PadRight("prompt", kPromptWidth), PadRight("target", kTargetWidth),
                              "log p", "rank", "strongest", "delta", "top-1 kept"));
}

std::string PromptLine(const Legend& legend, int prompt, absl::Span<const Row> rows, Metric metric) {
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
  return absl::StrFormat(kPromptFormat, absl::StrCat(prompt),
                         PadRight(Cut(Quote(Text(resolved)), kPromptWidth), kPromptWidth),
                         PadRight(has_target ? Cut(AnswerText(resolved.targets()), kTargetWidth) : "-", kTargetWidth),
                         Number(log_p), has_target ? Rank(baseline) : "-", title,
                         strongest.empty() ? "-" : absl::StrFormat("%+.4f", MetricOf(metric, strongest[0])),
                         absl::StrCat(CountTop1Preserved(rows), "/", CountEdited(rows)));
}

}  // namespace ablate::cli
