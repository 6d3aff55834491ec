// Cells as JSON and as CSV.
#pragma once

#include <string>

#include "ablation/v1/model.pb.h"
#include "absl/strings/string_view.h"
#include "client/cpp/cli/columns.h"

namespace ablate::cli {

// NaN, a figure that cannot be had, is as a cell that is absent: null, or empty.
std::string JsonCell(const Cell& cell, ablation::v1::Precision precision);
std::string CsvCell(const Cell& cell, ablation::v1::Precision precision);

// `text`, in quotes where a comma, a quote, a line break or a space at either end asks for them.
std::string CsvField(absl::string_view text);

}  // namespace ablate::cli
