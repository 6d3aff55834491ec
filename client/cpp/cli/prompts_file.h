// Data sets of prompts from files, whose layout is told by what they hold.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "client/cpp/cli/data_set.h"

namespace ablate::cli {

// What begins with `{` is JSON lines (ParseJsonLines), or one document with `prompts`; with `[`, a list of prompts
// (ParseJsonDocument); anything else CSV (ParseCsvPrompts). InvalidArgument names `source` and the line.
absl::StatusOr<DataSet> ParsePrompts(absl::string_view source, absl::string_view text);

// The same from a file; `-` is the standard input.
absl::StatusOr<DataSet> ReadPrompts(const std::string& path);

// A file's text; `-` is the standard input. InvalidArgument names `option` and the path.
absl::StatusOr<std::string> ReadTextFile(absl::string_view option, const std::string& path);

// How messages call a path: `-` is `standard input`.
std::string NameOfFile(const std::string& path);

}  // namespace ablate::cli
