// JSON lines, one object each:
//   {"manifest": {...}}       first: the contract's message with `variants` and `prompts` put in; of a prompt's tokens
//                             it has the lists `token_ids` and `token_texts`
//   {"prompt_index": ...}     a row; its `fields` are the data set's other columns, where it has any
//   {"likelihood": {...}}     behind a prompt's rows, one a run
//   {"compensation": {...}}   behind them, one a row of an edited run: `heads` [L, H], `mlps` [L], `layer_norm`
//   {"summary_head": {...}}   behind the last prompt
//   {"summary": {...}}        one a (replacement, variant, edit position, read position); null: cannot be had
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "client/cpp/cli/data_set.h"
#include "client/cpp/cli/legend.h"
#include "client/cpp/cli/output.h"
#include "client/cpp/cli/result_writer.h"

namespace ablate::cli {

class JsonlWriter : public ResultWriter {
 public:
  // `output` and `data` must outlive the writer.
  JsonlWriter(Output* output, int top_k, const DataSet* data) : output_(output), top_k_(top_k), data_(data) {}

  absl::Status Begin(std::shared_ptr<const client::ScanManifest> manifest) override;
  absl::Status Prompt(const PromptResult& result) override;
  absl::Status Statistics(const Summary& summary) override;

 private:
  template <typename Message>
  absl::Status WriteList(absl::string_view name, const std::vector<Message>& entries,
                         absl::StatusOr<std::string> (*to_json)(const Message&));
  // A list of {id, token, logprob}, or null where no top-k was asked for.
  void AppendTopK(const Row& row, std::string* line) const;
  // `, "fields": {...}`; nothing where the data set has none.
  std::string Fields(int prompt) const;

  Output* const output_;
  const int top_k_;
  const DataSet* const data_;
  std::unique_ptr<const Legend> legend_;
  ablation::v1::Precision precision_ = ablation::v1::PRECISION_FLOAT32;
};

// `text` as a JSON string, quotes included; bytes that are not UTF-8 become U+FFFD.
std::string JsonString(absl::string_view text);

// A message as protobuf JSON with the fields' own names, defaults included.
absl::StatusOr<std::string> ToJson(const google::protobuf::Message& message, bool pretty = false);

}  // namespace ablate::cli
