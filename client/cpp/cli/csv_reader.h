// Reads CSV as RFC 4180 has it: fields in quotes may hold commas, line breaks and doubled quotes.
//
// Our own because Debian's libcsv (last released in 2013) trims the spaces that tokens begin with and knows no line
// numbers.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace ablate::cli {

struct CsvRecord {
  std::vector<std::string> fields;
  // The line, from 1, on which it begins.
  int line = 0;
};

// Lines end in \n or \r\n; empty ones are skipped. A field keeps its spaces. InvalidArgument tells the line: a quote
// that is never closed, one inside of an unquoted field, text behind a closing quote.
absl::StatusOr<std::vector<CsvRecord>> ReadCsv(absl::string_view text);

}  // namespace ablate::cli
