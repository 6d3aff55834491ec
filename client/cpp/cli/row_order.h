// Puts a stream's rows, which come in any order, into the order in which people read them.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
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

enum class PromptOrder {
  // Each as soon as it and all before it are whole: the same scan gives the same file, however the server cut it.
  kAsAsked,
  // Each as soon as it is whole: where it is not known which will come.
  kAsTheyCome,
};

// Hands out one prompt after the other. Memory is held only for prompts that are begun and not handed out. Blocks have
// passed the client library's StreamCheck: their indices are in range and nothing comes twice.
class RowOrder {
 public:
  using Sink = std::function<absl::Status(const PromptResult& result)>;

  RowOrder(const client::ScanManifest& manifest, RowExtras extras, Sink sink,
           PromptOrder order = PromptOrder::kAsAsked);
  absl::Status Take(const std::shared_ptr<const Block>& block);
  absl::Status Take(const std::shared_ptr<const ablation::v1::LikelihoodBlock>& block);
  absl::Status Take(const std::shared_ptr<const ablation::v1::CompensationBlock>& block);
  // Nothing comes of the prompt: those behind it need not wait for it.
  absl::Status Skip(int32_t prompt);
  // Nothing more comes of any: hands out those that are whole, and tells which had begun and are not.
  absl::StatusOr<std::vector<int>> Finish();

 private:
  struct Pending {
    std::vector<Row> rows = {};  // [rows_of(prompt)], empty until the first row comes; so the others
    std::vector<LikelihoodEntry> likelihoods = {};
    std::vector<CompensationEntry> compensations = {};
    int64_t arrived = 0;   // of all three
    bool is_over = false;  // handed out, or skipped
  };
  int64_t SizeOf(size_t prompt) const;
  bool IsWhole(size_t prompt) const { return pending_[prompt].arrived == SizeOf(prompt); }
  // An entry of the prompt has come.
  absl::Status Arrived(int32_t prompt);
  absl::Status HandOut(size_t prompt);
  absl::Status HandOutInOrder();

  client::RowSpace space_;
  const RowExtras extras_;
  const Sink sink_;
  const PromptOrder order_;
  std::vector<Pending> pending_;  // [n_prompts]
  size_t next_ = 0;
};

}  // namespace ablate::cli
