// CSV (RFC 4180 quoting, a header, lines that end in \n): the same columns as JSONL. A top-k of k adds
// `top_k_1_id`, `top_k_1_token`, `top_k_1_logprob`, ... `top_k_<k>_logprob`.
#pragma once

#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "client/cpp/cli/output.h"
#include "client/cpp/cli/result_writer.h"

namespace ablate::cli {

class CsvWriter : public ResultWriter {
 public:
  // `output` must outlive the writer.
  CsvWriter(Output* output, int top_k) : output_(output), top_k_(top_k) {}

  absl::Status Begin(std::shared_ptr<const client::ScanManifest> manifest) override;
  absl::Status Prompt(int prompt, absl::Span<const Row> rows) override;

 private:
  Output* const output_;
  const int top_k_;
  std::shared_ptr<const client::ScanManifest> manifest_;
};

// `text`, in quotes where a comma, a quote, a line break or a space at either end asks for them.
std::string CsvField(absl::string_view text);

}  // namespace ablate::cli
