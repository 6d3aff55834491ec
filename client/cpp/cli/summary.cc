#include "client/cpp/cli/summary.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "client/cpp/cli/columns.h"
#include "client/cpp/cli/text.h"

namespace ablate::cli {
namespace {

using ablation::v1::RowBlock;
using client::ScanManifest;

constexpr char kSummaryFormat[] = "%5s  %s  %s  %9s  %5s  %-8s  %9s  %s";
constexpr int kPromptWidth = 36;
constexpr int kTargetWidth = 14;

std::string Number(const google::protobuf::RepeatedField<double>& column, int index, bool is_signed = true) {
  if (index >= column.size()) return "-";
  return is_signed ? absl::StrFormat("%+.4f", column.Get(index)) : absl::StrFormat("%.4f", column.Get(index));
}

std::string Text(const ablation::v1::ResolvedPrompt& prompt) {
  return absl::StrJoin(prompt.tokens(), "",
                       [](std::string* out, const ablation::v1::Token& token) { out->append(token.text()); });
}

}  // namespace

std::vector<Row> Strongest(absl::Span<const Row> rows, Metric metric, size_t n) {
  std::vector<Row> sorted(rows.begin() + 1, rows.end());
  std::sort(sorted.begin(), sorted.end(), [metric](const Row& a, const Row& b) {
    const double left = std::abs(MetricOf(metric, a)), right = std::abs(MetricOf(metric, b));
    return left != right ? left > right : a.variant() < b.variant();
  });
  if (sorted.size() > n) sorted.resize(n);
  return sorted;
}

int CountTop1Preserved(absl::Span<const Row> rows) {
  return static_cast<int>(std::count_if(rows.begin(), rows.end(), [](const Row& row) {
    return row.variant() >= 0 && row.index < row.columns().top1_preserved_size() &&
           row.columns().top1_preserved(row.index);
  }));
}

std::vector<std::string> DescribeBaseline(const ablation::v1::ResolvedPrompt& prompt, const Row& baseline) {
  const RowBlock& block = baseline.columns();
  const int i = baseline.index;
  std::vector<std::string> lines;
  if (prompt.has_target() && block.target_logprob_size() > 0) {
    lines.push_back(absl::StrFormat("target    %s  log p %.4f (p %.4f), rank %d", Quote(prompt.target().text()),
                                    block.target_logprob(i), std::exp(block.target_logprob(i)), block.target_rank(i)));
  }
  if (prompt.has_contrast() && block.contrast_logprob_size() > 0) {
    lines.push_back(absl::StrFormat("contrast  %s  log p %.4f (p %.4f)", Quote(prompt.contrast().text()),
                                    block.contrast_logprob(i), std::exp(block.contrast_logprob(i))));
    if (block.logit_diff_size() > 0) lines.back() += absl::StrFormat(", logit difference %+.4f", block.logit_diff(i));
  }
  lines.push_back(absl::StrCat("top-1     ", Quote(baseline.Top1Text())));
  return lines;
}

std::vector<std::string> StrongestTable(const ScanManifest& manifest, absl::Span<const Row> strongest, Color color) {
  constexpr char kFormat[] = "  %-7s %12s %14s %13s %12s %6s  %s";
  std::vector<std::string> lines = {
      Bold(color, "Strongest heads"),
      absl::StrFormat(kFormat, "head", "log p target", "log p contrast", "logit diff", "KL", "rank", "top-1")};
  for (const Row& row : strongest) {
    const RowBlock& block = row.columns();
    const std::string rank = row.index < block.target_rank_size() ? absl::StrCat(block.target_rank(row.index)) : "-";
    const bool is_kept = row.index < block.top1_preserved_size() && block.top1_preserved(row.index);
    lines.push_back(
        absl::StrFormat(kFormat, VariantLabel(manifest, row.variant()), Number(block.delta_target_logprob(), row.index),
                        Number(block.delta_contrast_logprob(), row.index), Number(block.delta_logit_diff(), row.index),
                        Number(block.kl_divergence(), row.index, false), rank,
                        absl::StrCat(Quote(row.Top1Text()), is_kept ? "" : "  (changed)")));
  }
  return lines;
}

std::string SummaryHeading(Color color) {
  return Bold(color, absl::StrFormat(kSummaryFormat, "#", PadRight("prompt", kPromptWidth),
                                     PadRight("target", kTargetWidth), "log p", "rank", "head", "delta", "top-1 kept"));
}

std::string SummaryLine(const ScanManifest& manifest, int prompt, absl::Span<const Row> rows, Metric metric) {
  const auto& resolved = manifest.prompts[prompt];
  const RowBlock& block = rows[0].columns();
  const int i = rows[0].index;
  const std::vector<Row> strongest = Strongest(rows, metric, 1);
  const bool has_target = i < block.target_logprob_size();
  return absl::StrFormat(
      kSummaryFormat, absl::StrCat(prompt), PadRight(Cut(Quote(Text(resolved)), kPromptWidth), kPromptWidth),
      PadRight(has_target ? Cut(Quote(resolved.target().text()), kTargetWidth) : "-", kTargetWidth),
      has_target ? Number(block.target_logprob(), i) : "-", has_target ? absl::StrCat(block.target_rank(i)) : "-",
      strongest.empty() ? "-" : VariantLabel(manifest, strongest[0].variant()),
      strongest.empty() ? "-" : absl::StrFormat("%+.4f", MetricOf(metric, strongest[0])),
      absl::StrCat(CountTop1Preserved(rows), "/", rows.size() - 1));
}

}  // namespace ablate::cli
