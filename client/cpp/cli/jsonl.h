// JSON lines: `{"manifest": {...}}`, then one object a row. The manifest is the contract's message with `variants` and
// `prompts` put in; of a prompt's tokens it has the lists `token_ids` and `token_texts`.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "client/cpp/cli/output.h"
#include "client/cpp/cli/result_writer.h"

namespace ablate::cli {

class JsonlWriter : public ResultWriter {
 public:
  // `output` must outlive the writer.
  JsonlWriter(Output* output, int top_k) : output_(output), top_k_(top_k) {}

  absl::Status Begin(std::shared_ptr<const client::ScanManifest> manifest) override;
  absl::Status Prompt(int prompt, absl::Span<const Row> rows) override;

 private:
  template <typename Message>
  absl::Status WriteList(absl::string_view name, const std::vector<Message>& entries,
                         absl::StatusOr<std::string> (*to_json)(const Message&));
  // A list of {id, token, logprob}, or null where no top-k was asked for.
  void AppendTopK(const Row& row, std::string* line) const;

  Output* const output_;
  const int top_k_;
  std::shared_ptr<const client::ScanManifest> manifest_;
};

// `text` as a JSON string, quotes included; bytes that are not UTF-8 become U+FFFD.
std::string JsonString(absl::string_view text);

// A message as protobuf JSON with the fields' own names, defaults included.
absl::StatusOr<std::string> ToJson(const google::protobuf::Message& message, bool pretty = false);

}  // namespace ablate::cli
