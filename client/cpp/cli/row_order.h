// Puts a stream's rows, which come in any order, into the order in which people read them.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "client/cpp/cli/block_rows.h"
#include "client/cpp/cli/result_writer.h"
#include "client/cpp/row_space.h"
#include "client/cpp/scan_manifest.h"

namespace ablate::cli {

// What a prompt is whole with, beside its rows.
struct RowExtras {
  bool likelihood = false;
  bool compensation = false;
};

// Hands out one prompt after the other, in the request's order, each as soon as it and all before it are whole: the
// same scan gives the same file, however the server cut it. Memory is held only for prompts that are begun and not
// handed out. Blocks have passed the client library's StreamCheck: their indices are in range and nothing comes twice.
class RowOrder {
 public:
  using Sink = std::function<absl::Status(const PromptResult& result)>;

  RowOrder(const client::ScanManifest& manifest, RowExtras extras, Sink sink);
  absl::Status Take(const std::shared_ptr<const Block>& block);
  absl::Status Take(const std::shared_ptr<const ablation::v1::LikelihoodBlock>& block);
  absl::Status Take(const std::shared_ptr<const ablation::v1::CompensationBlock>& block);

 private:
  struct Pending {
    std::vector<Row> rows;  // [rows_of(prompt)], empty until the first row comes; so the others
    std::vector<LikelihoodEntry> likelihoods;
    std::vector<CompensationEntry> compensations;
    int64_t arrived = 0;  // of all three
  };
  int64_t SizeOf(size_t prompt) const;
  absl::Status HandOut();

  client::RowSpace space_;
  const RowExtras extras_;
  const Sink sink_;
  std::vector<Pending> pending_;  // [n_prompts]
  size_t next_ = 0;
};

}  // namespace ablate::cli
