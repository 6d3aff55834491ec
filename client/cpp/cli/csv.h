// CSV (RFC 4180 quoting, a header, lines that end in \n): the same columns as JSONL. A top-k of k adds
// `top_k_1_id`, `top_k_1_token`, `top_k_1_logprob`, ... `top_k_<k>_logprob`; a data set's other column `name` comes as
// `fields.name`.
//
// What is no row goes into files beside it, of which SiblingPath makes the names:
//   likelihood     a line a run; `token_logprob` is a list in JSON
//   compensation   a line a row and part: `part` is `L3H4`, `L3MLP` or `layer_norm`, `change` what it does
//   summary        a line an entry; empty: cannot be had
#pragma once

#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "client/cpp/cli/data_set.h"
#include "client/cpp/cli/legend.h"
#include "client/cpp/cli/output.h"
#include "client/cpp/cli/result_writer.h"

namespace ablate::cli {

// Null: not written.
struct CsvOutputs {
  Output* rows = nullptr;
  Output* likelihood = nullptr;
  Output* compensation = nullptr;
  Output* summary = nullptr;
};

class CsvWriter : public ResultWriter {
 public:
  // The outputs and `data` must outlive the writer.
  CsvWriter(const CsvOutputs& outputs, int top_k, const DataSet* data)
      : outputs_(outputs), top_k_(top_k), data_(data) {}

  absl::Status Begin(std::shared_ptr<const client::ScanManifest> manifest) override;
  absl::Status Prompt(const PromptResult& result) override;
  absl::Status Statistics(const Summary& summary) override;

 private:
  absl::Status WriteHeaders();
  absl::Status WriteLikelihood(const LikelihoodEntry& entry);
  absl::Status WriteCompensation(const CompensationEntry& entry);
  // The prompt's part of each of its lines.
  std::string Fields(int prompt) const;

  const CsvOutputs outputs_;
  const int top_k_;
  const DataSet* const data_;
  std::unique_ptr<const Legend> legend_;
  ablation::v1::Precision precision_ = ablation::v1::PRECISION_FLOAT32;
};

// `scan.csv` and `summary`: `scan.summary.csv`.
std::string SiblingPath(const std::string& path, absl::string_view what);

}  // namespace ablate::cli
