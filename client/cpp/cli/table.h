// A scan for people: the figure while it comes in, then what it shows.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "client/cpp/cli/legend.h"
#include "client/cpp/cli/live_region.h"
#include "client/cpp/cli/output.h"
#include "client/cpp/cli/prompt_report.h"
#include "client/cpp/cli/result_writer.h"
#include "client/cpp/cli/style.h"
#include "client/cpp/cli/variant_means.h"

namespace ablate::cli {

struct TableOptions {
  Color color = Color::kNone;
  // Shown head by head; one prompt only.
  std::optional<int32_t> focus_layer = std::nullopt;
  // Characters a line that are there; what can be narrower then is.
  int width = 100;
};

// One prompt: its figures, one a replacement, the strongest runs, the focus layer, effects. Several: a line each,
// figures of the means, statistics where they were asked for.
class TableWriter : public ResultWriter {
 public:
  // `output` must outlive the writer.
  TableWriter(Output* output, const TableOptions& options);

  absl::Status Begin(std::shared_ptr<const client::ScanManifest> manifest) override;
  absl::Status Arrived(const Block& block) override;
  absl::Status Prompt(const PromptResult& result) override;
  absl::Status Statistics(const Summary& summary) override;
  absl::Status End(const ablation::v1::Completion& completion) override;

 private:
  const client::ScanManifest& manifest() const { return legend_->manifest(); }
  bool IsSingle() const { return manifest().n_prompts() == 1; }
  std::vector<std::string> Figures() const;
  // ` -> mean` where there are several replacements.
  std::string OfReplacementTitle(int32_t replacement) const;
  // Tables of the only prompt's runs under one replacement.
  void AppendRuns(const PromptResult& result, absl::Span<const Row> rows, int32_t replacement);
  // A paragraph behind the figures.
  void Append(const std::vector<std::string>& lines);
  absl::Status Write(const std::vector<std::string>& lines);

  Output* const output_;
  const TableOptions options_;
  LiveRegion live_;
  const absl::Time start_;
  std::unique_ptr<const Legend> legend_;
  Metrics metrics_;
  PromptColumns prompt_columns_;
  std::vector<VariantMeans> means_;  // [replacements]
  int64_t rows_ = 0;
  // Behind the figures, which are final only at the end.
  std::vector<std::string> details_;
};

}  // namespace ablate::cli
