// Rows of a file that `ablate scan` or `ablate job results` wrote, for those who compare them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace ablate::cli {

struct ResultFile {
  // As messages call it.
  std::string name;
  struct Row {
    // Which run of which prompt, for people: `prompt 3, L5H3, mean, edited at 2, read at 7`.
    std::string label;
    // [columns asked for]; nothing: the figure cannot be had.
    std::vector<std::optional<double>> values;
  };
  // In the file's order.
  std::vector<Row> rows;
  // By what identifies a row (formats.md): its index. The prompt is its index in the data set.
  absl::flat_hash_map<std::string, size_t> index;
  // What JSON lines say of the experiment: name and value as JSON. Empty for CSV.
  std::vector<std::pair<std::string, std::string>> experiment;
};

// JSON lines or CSV, told apart by how the file begins; `-` is the standard input. InvalidArgument names file, line and
// what is wrong: no such file, no row, a row twice, a column that is not there or holds no numbers.
absl::StatusOr<ResultFile> ReadResultFile(const std::string& path, const std::vector<std::string>& columns);

// The same from a text.
absl::StatusOr<ResultFile> ParseResultFile(const std::string& name, absl::string_view text,
                                           const std::vector<std::string>& columns);

}  // namespace ablate::cli
