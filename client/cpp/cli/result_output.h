// Where the results of a scan or a job go, and in which form.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "ablation/v1/scan.pb.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/cpp/cli/data_set.h"
#include "client/cpp/cli/output.h"
#include "client/cpp/cli/result_writer.h"

namespace ablate::cli {

struct OutputOptions {
  std::string format = "table";
  std::string path;  // empty: the standard output
  bool no_color = false;
  std::optional<int32_t> focus_layer = std::nullopt;

  bool is_table() const { return format == "table"; }
  bool is_csv() const { return format == "csv"; }
};

// The files, none of which appears before Commit.
struct ResultOutputs {
  std::unique_ptr<Output> rows, likelihood, compensation, summary;

  // The rows' own. InvalidArgument where the path cannot be written.
  static absl::StatusOr<ResultOutputs> Open(const OutputOptions& options);
  // CSV's others, beside the rows' file, which must have a name.
  absl::Status OpenLikelihood(const OutputOptions& options);
  absl::Status OpenCompensation(const OutputOptions& options);
  absl::Status OpenSummary(const OutputOptions& options);

  // Those beside the rows first: where the rows are, all is.
  absl::Status Commit() const;
};

// The outputs and `data` must outlive the writer.
std::unique_ptr<ResultWriter> MakeResultWriter(const OutputOptions& options, int top_k, const ResultOutputs& outputs,
                                               const DataSet* data);

}  // namespace ablate::cli
