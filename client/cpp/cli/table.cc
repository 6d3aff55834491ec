#include "client/cpp/cli/table.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "client/cpp/cli/focus.h"
#include "client/cpp/cli/heatmap.h"
#include "client/cpp/cli/number.h"
#include "client/cpp/cli/progress.h"
#include "client/cpp/cli/summary.h"
#include "client/cpp/cli/text.h"

namespace ablate::cli {
namespace {

using client::ScanManifest;

constexpr size_t kStrongest = 10;

std::string ManifestLine(const ScanManifest& manifest) {
  const auto& model = manifest.head.model();
  const auto& runtime = manifest.head.runtime();
  std::string device = runtime.device();
  if (!runtime.device_name().empty()) absl::StrAppend(&device, " (", runtime.device_name(), ")");
  return absl::StrCat("model     ", model.name(), ": ", model.n_layers(), " layers x ", model.n_heads(), " heads | ",
                      device, " | ", PrecisionName(runtime.precision()), " | ablated ", runtime.engine_version());
}

std::string TokensLine(const ablation::v1::ResolvedPrompt& prompt) {
  constexpr int kMostTokens = 24;
  std::string line = absl::StrCat("tokens    ", prompt.tokens_size(), ":");
  const int hidden = prompt.tokens_size() - kMostTokens;
  // The end is what the prediction hangs on most.
  if (hidden > 0) absl::StrAppend(&line, " (", hidden, " more) ...");
  for (int i = std::max(0, hidden); i < prompt.tokens_size(); ++i) {
    absl::StrAppend(&line, " ", Quote(prompt.tokens(i).text()));
  }
  return line;
}

double Seconds(int64_t ns) {
  return static_cast<double>(ns) * 1e-9;
}

bool HasFocusLayer(const Grid& grid, int32_t layer) {
  return std::binary_search(grid.layers().begin(), grid.layers().end(), layer);
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
  manifest_ = std::move(manifest);
  grid_.emplace(*manifest_);
  if (options_.focus_layer && !HasFocusLayer(*grid_, *options_.focus_layer)) {
    return absl::InvalidArgumentError(absl::StrCat("--focus-layer ", *options_.focus_layer,
                                                   ": the scan has no head of this layer; the model has layers 0 to ",
                                                   manifest_->head.model().n_layers() - 1));
  }
  const bool all_have_target = std::all_of(manifest_->prompts.begin(), manifest_->prompts.end(),
                                           [](const auto& prompt) { return prompt.has_target(); });
  metric_ = all_have_target ? Metric::kDeltaTargetLogprob : Metric::kKlDivergence;
  std::vector<std::string> lines = {ManifestLine(*manifest_)};
  if (IsSingle()) lines.push_back(TokensLine(manifest_->prompts[0]));
  for (int p = 0; p < manifest_->n_prompts(); ++p) {
    for (const std::string& warning : manifest_->prompts[p].warnings()) {
      lines.push_back(absl::StrCat("warning   ", IsSingle() ? "" : absl::StrCat("prompt ", p, ": "), warning));
    }
  }
  lines.push_back("");
  if (!IsSingle()) lines.push_back(SummaryHeading(options_.color));
  return Write(lines);
}

std::string TableWriter::MapTitle() const {
  const bool is_zero = manifest_->head.replacements_size() == 1 && manifest_->head.replacements(0).has_zero();
  const bool is_kl = metric_ == Metric::kKlDivergence;
  const std::string what =
      is_kl ? "KL divergence from the baseline, nats"
            : absl::StrCat("change of log p(", IsSingle() ? Quote(manifest_->prompts[0].target().text()) : "target",
                           "), nats; negative: the head helps it");
  return Bold(options_.color, absl::StrCat(IsSingle() ? "" : "Mean ", Name(metric_), ", one head at a time -> ",
                                           is_zero ? "zero" : "ablated")) +
         absl::StrCat("\n", what);
}

std::vector<std::string> TableWriter::MapLines() const {
  std::vector<std::string> lines = absl::StrSplit(MapTitle(), '\n');
  for (std::string& line : DrawHeatMap(*grid_, options_.color)) lines.push_back(std::move(line));
  return lines;
}

absl::Status TableWriter::Arrived(const Block& block) {
  const auto& columns = block.columns();
  const auto shared = std::shared_ptr<const Block>(std::shared_ptr<const Block>(), &block);
  for (int i = 0; i < columns.variant_size(); ++i) grid_->Add(columns.variant(i), MetricOf(metric_, Row{shared, i}));
  rows_ += columns.variant_size();
  if (!live_.IsDue()) return absl::OkStatus();
  std::vector<std::string> lines;
  if (IsSingle()) {
    lines = MapLines();
    lines.push_back("");
  }
  lines.push_back(ProgressLine(rows_, manifest_->head.total_rows(), absl::Now() - start_));
  return live_.Update(lines);
}

absl::Status TableWriter::Prompt(int prompt, absl::Span<const Row> rows) {
  if (!IsSingle()) {
    if (auto status = live_.Clear(); !status.ok()) return status;
    return Write({SummaryLine(*manifest_, prompt, rows, metric_)});
  }
  const auto append = [this](const std::vector<std::string>& lines) {
    details_.push_back("");
    details_.insert(details_.end(), lines.begin(), lines.end());
  };
  append(DescribeBaseline(manifest_->prompts[prompt], rows[0]));
  append(StrongestTable(*manifest_, Strongest(rows, metric_, kStrongest), options_.color));
  if (options_.focus_layer) append(DrawFocus(*manifest_, prompt, rows, *options_.focus_layer, options_.color));
  append({absl::StrCat(CountTop1Preserved(rows), " of ", rows.size() - 1, " ablations keep the top-1 token ",
                       Quote(rows[0].Top1Text()))});
  return absl::OkStatus();
}

absl::Status TableWriter::End(const ablation::v1::Completion& completion) {
  std::vector<std::string> map = MapLines();
  if (!IsSingle()) map.insert(map.begin(), "");
  if (auto status = live_.Finish(map); !status.ok()) return status;
  const auto& timing = completion.timing();
  details_.push_back(absl::StrFormat("%d rows in %.3f s (waited %.3f s, forward %.3f s in %d %s)", completion.rows(),
                                     Seconds(timing.total_ns()), Seconds(timing.queue_ns()),
                                     Seconds(timing.forward_ns()), timing.forward_passes(),
                                     timing.forward_passes() == 1 ? "pass" : "passes"));
  return Write(details_);
}

}  // namespace ablate::cli
