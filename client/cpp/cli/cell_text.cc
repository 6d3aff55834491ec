#include "client/cpp/cli/cell_text.h"

#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "client/cpp/cli/jsonl.h"
#include "client/cpp/cli/number.h"

namespace ablate::cli {
namespace {

std::string Text(const Cell& cell, ablation::v1::Precision precision, const char* absent,
                 std::string (*of_string)(absl::string_view)) {
  switch (cell.index()) {
    case 1:
      return std::get<bool>(cell) ? "true" : "false";
    case 2:
      return absl::StrCat(std::get<int64_t>(cell));
    case 3:
      return std::isnan(std::get<double>(cell)) ? absent : RoundTrip(std::get<double>(cell), precision);
    case 4:
      return of_string(std::get<std::string>(cell));
    default:
      return absent;
  }
}

}  // namespace

std::string JsonCell(const Cell& cell, ablation::v1::Precision precision) {
  return Text(cell, precision, "null", JsonString);
}

std::string CsvCell(const Cell& cell, ablation::v1::Precision precision) {
  return Text(cell, precision, "", CsvField);
}

std::string CsvField(absl::string_view text) {
  // Some readers trim unquoted spaces, and most tokens begin with one.
  const bool spaced = !text.empty() && (text.front() == ' ' || text.back() == ' ');
  // An empty text is quoted too, to differ from an absent one.
  if (!text.empty() && !spaced && text.find_first_of(",\"\r\n") == absl::string_view::npos) return std::string(text);
  return absl::StrCat("\"", absl::StrReplaceAll(text, {{"\"", "\"\""}}), "\"");
}

}  // namespace ablate::cli
