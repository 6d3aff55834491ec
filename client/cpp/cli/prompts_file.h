// Data sets of prompts: one JSON object a line.
#pragma once

#include <string>
#include <vector>

#include "ablation/v1/scan.pb.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace ablate::cli {

struct PromptLines {
  std::vector<ablation::v1::Prompt> prompts;
  // The line, from 1, of each prompt.
  std::vector<int> line_numbers;
};

// Keys of a line: `prompt` (text) or `token_ids` (list of ids); `target` and `contrast` (text, or an id as a number),
// which may be absent or null. Empty lines are skipped. Errors name `source` and the line.
absl::StatusOr<PromptLines> ParsePromptLines(absl::string_view source, absl::string_view text);

// The same from a file; `-` is the standard input.
absl::StatusOr<PromptLines> ReadPromptLines(const std::string& path);

}  // namespace ablate::cli
