// From a stream's checked parts to a writer, in order.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "client/cpp/cli/output.h"
#include "client/cpp/cli/progress.h"
#include "client/cpp/cli/result_writer.h"
#include "client/cpp/cli/row_order.h"
#include "client/cpp/client.h"

namespace ablate::cli {

struct ResultStreamOptions {
  // Made once the manifest is known.
  std::function<absl::StatusOr<std::unique_ptr<ResultWriter>>(const client::ScanManifest& manifest)> make_writer;
  // Whose reader may leave before there is anything to write.
  const Output* rows = nullptr;
  // Of prompts, to the standard error: the table shows them itself; data files must not hold them.
  bool print_warnings = false;
  bool show_progress = false;
  PromptOrder order = PromptOrder::kAsAsked;
};

// One scan, or one job's results.
class ResultStream {
 public:
  explicit ResultStream(ResultStreamOptions options);

  // To be called while the object lives.
  client::ScanHandlers Handlers();
  // Prompts of a job that will not come; before or behind the manifest, and again.
  absl::Status Skip(std::vector<int> prompts);

  // Behind the last part. `completion`'s rows may be fewer than announced. The prompts that had begun and are not
  // whole, which the writer did not get.
  absl::StatusOr<std::vector<int>> End(const ablation::v1::Completion& completion);

  bool has_manifest() const { return order_ != nullptr; }
  bool has_summary() const { return summary_.has_value(); }
  int64_t rows() const { return done_; }

 private:
  absl::Status Begin(client::ScanManifest manifest);
  absl::Status TakeRows(ablation::v1::RowBlock columns);

  const ResultStreamOptions options_;
  ProgressBar progress_;
  std::unique_ptr<ResultWriter> writer_;
  std::unique_ptr<RowOrder> order_;
  std::optional<Summary> summary_;
  std::vector<int> skipped_;
  int64_t done_ = 0, total_ = 0;
};

}  // namespace ablate::cli
