// A scan for people: the map while it comes in, then what it shows.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "client/cpp/cli/grid.h"
#include "client/cpp/cli/live_region.h"
#include "client/cpp/cli/output.h"
#include "client/cpp/cli/result_writer.h"
#include "client/cpp/cli/style.h"

namespace ablate::cli {

struct TableOptions {
  Color color = Color::kNone;
  // Shown head by head; one prompt only.
  std::optional<int32_t> focus_layer;
};

// One prompt: its map, the strongest heads, the focus layer. Several: a line each, and the map of the means.
class TableWriter : public ResultWriter {
 public:
  // `output` must outlive the writer.
  TableWriter(Output* output, const TableOptions& options);

  absl::Status Begin(std::shared_ptr<const client::ScanManifest> manifest) override;
  absl::Status Arrived(const Block& block) override;
  absl::Status Prompt(int prompt, absl::Span<const Row> rows) override;
  absl::Status End(const ablation::v1::Completion& completion) override;

 private:
  bool IsSingle() const { return manifest_->n_prompts() == 1; }
  std::string MapTitle() const;
  std::vector<std::string> MapLines() const;
  absl::Status Write(const std::vector<std::string>& lines);

  Output* const output_;
  const TableOptions options_;
  LiveRegion live_;
  const absl::Time start_;
  std::shared_ptr<const client::ScanManifest> manifest_;
  Metric metric_ = Metric::kDeltaTargetLogprob;
  std::optional<Grid> grid_;
  int64_t rows_ = 0;
  // Of the only prompt, until the map above them is final.
  std::vector<std::string> details_;
};

}  // namespace ablate::cli
