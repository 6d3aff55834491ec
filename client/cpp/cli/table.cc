#include "client/cpp/cli/table.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/cpp/cli/effects_report.h"
#include "client/cpp/cli/figure.h"
#include "client/cpp/cli/focus.h"
#include "client/cpp/cli/progress.h"
#include "client/cpp/cli/prompt_report.h"
#include "client/cpp/cli/scan_heading.h"
#include "client/cpp/cli/statistics_table.h"
#include "client/cpp/cli/text.h"
#include "client/cpp/cli/timing_text.h"

namespace ablate::cli {
namespace {

using ablation::v1::Sweep;

constexpr size_t kStrongest = 10;

// Sweeps whose figure is no table of runs itself.
bool HasStrongest(const client::ScanManifest& manifest) {
  const auto kind = manifest.head.sweep().kind_case();
  return manifest.head.edit_positions().each() ||
         (kind != Sweep::kPairs && kind != Sweep::kAllBut && kind != Sweep::kCumulative);
}

}  // namespace

TableWriter::TableWriter(Output* output, const TableOptions& options)
    : output_(output), options_(options), live_(output), start_(absl::Now()) {}

absl::Status TableWriter::Write(const std::vector<std::string>& lines) {
  for (const std::string& line : lines) {
    if (auto status = output_->Write(line + "\n"); !status.ok()) return status;
  }
  return output_->Flush();
}

absl::Status TableWriter::Begin(std::shared_ptr<const client::ScanManifest> manifest) {
  legend_ = std::make_unique<const Legend>(manifest);
  if (options_.focus_layer && !HasFocusLayer(*manifest, *options_.focus_layer)) {
    return absl::InvalidArgumentError(
        absl::StrCat("--focus-layer ", *options_.focus_layer,
                     ": the scan has no head of this layer on its own; the model has layers "
                     "0 to ",
                     manifest->head.model().n_layers() - 1));
  }
  metrics_ = ChooseMetrics(*manifest);
  for (int r = 0; r < legend_->n_replacements(); ++r) means_.emplace_back(manifest, r, metrics_);
  std::vector<std::string> lines = ScanHeading(*legend_);
  lines.push_back("");
  if (!IsSingle()) {
    prompt_columns_ = ChoosePromptColumns(*legend_, options_.width);
    lines.push_back(PromptHeading(prompt_columns_, options_.color));
  }
  return Write(lines);
}

std::vector<std::string> TableWriter::Figures() const {
  std::vector<std::string> lines;
  for (const VariantMeans& means : means_) {
    if (!lines.empty()) lines.emplace_back();
    for (std::string& line : DrawFigure(*legend_, means, options_.color)) lines.push_back(std::move(line));
  }
  return lines;
}

absl::Status TableWriter::Arrived(const Block& block) {
  const auto& columns = block.columns();
  const auto shared = std::shared_ptr<const Block>(std::shared_ptr<const Block>(), &block);
  for (int i = 0; i < columns.variant_size(); ++i) {
    for (VariantMeans& means : means_) means.Add(Row{shared, i});
  }
  rows_ += columns.variant_size();
  if (!live_.IsDue()) return absl::OkStatus();
  std::vector<std::string> lines;
  if (IsSingle()) {
    lines = Figures();
    lines.emplace_back();
  }
  lines.push_back(ProgressLine(rows_, manifest().head.total_rows(), absl::Now() - start_));
  return live_.Update(lines);
}

void TableWriter::Append(const std::vector<std::string>& lines) {
  if (lines.empty()) return;
  details_.emplace_back();
  details_.insert(details_.end(), lines.begin(), lines.end());
}

std::string TableWriter::OfReplacementTitle(int32_t replacement) const {
  return legend_->n_replacements() > 1 ? absl::StrCat(" -> ", legend_->Replacement(replacement)) : "";
}

void TableWriter::AppendRuns(const PromptResult& result, absl::Span<const Row> rows, int32_t replacement) {
  const auto runs = OfReplacement(rows, replacement);
  const std::string of = OfReplacementTitle(replacement);
  if (HasStrongest(manifest())) {
    const std::string title = absl::StrCat("Strongest ", WordsOf(manifest()).plural, of);
    Append(StrongestTable(*legend_, Strongest(runs, metrics_.map, kStrongest), title, options_.color));
  }
  if (options_.focus_layer) Append(DrawFocus(*legend_, result.prompt, runs, *options_.focus_layer, options_.color));
  const auto strongest = Strongest(runs, metrics_.primary, kStrongest);
  Append(EffectsTable(*legend_, strongest, of, options_.color));
  Append(CompensationTable(*legend_, strongest, result.compensations, options_.color));
}

absl::Status TableWriter::Prompt(const PromptResult& result) {
  const auto rows = AtLastReadPosition(result.rows);
  if (!IsSingle()) {
    if (auto status = live_.Clear(); !status.ok()) return status;
    return Write({PromptLine(*legend_, prompt_columns_, result.prompt, rows, metrics_.map)});
  }
  Append(DescribeBaseline(manifest(), result.prompt, rows));
  for (int r = 0; r < legend_->n_replacements(); ++r) AppendRuns(result, rows, r);
  Append(LikelihoodTable(*legend_, result.likelihoods, options_.color));
  // Of a pair either run may be the one that is edited.
  const bool is_pair = rows.size() > 1 && rows[1].variant() == client::kCorrupted;
  Append({absl::StrCat(CountTop1Preserved(rows), " of ", CountEdited(rows), " ablations keep the top-1 token ",
                       is_pair ? "of the run that they edit" : Quote(rows[0].Top1Text()))});
  return absl::OkStatus();
}

absl::Status TableWriter::Statistics(const Summary& summary) {
  Append(StatisticsTable(*legend_, summary, options_.color));
  return absl::OkStatus();
}

absl::Status TableWriter::End(const ablation::v1::Completion& completion) {
  std::vector<std::string> figures = Figures();
  if (!IsSingle()) {
    figures.insert(figures.begin(), "");
    for (const VariantMeans& means : means_) {
      const auto effects =
          MeanEffectsTable(*legend_, means, kStrongest, OfReplacementTitle(means.replacement()), options_.color);
      if (effects.empty()) continue;
      figures.emplace_back();
      figures.insert(figures.end(), effects.begin(), effects.end());
    }
  }
  if (auto status = live_.Finish(figures); !status.ok()) return status;
  if (const auto& readout = manifest().head.readout();
      !IsSingle() && (readout.likelihood() || readout.compensation())) {
    details_.emplace_back("likelihoods and compensations of several prompts: --format jsonl or csv has them");
  }
  for (std::string& line : TimingLines(completion)) details_.push_back(std::move(line));
  return Write(details_);
}

}  // namespace ablate::cli
