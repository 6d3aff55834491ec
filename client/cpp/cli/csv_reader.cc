#include "client/cpp/cli/csv_reader.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace ablate::cli {
namespace {

class Reader {
 public:
  explicit Reader(absl::string_view text) : rest_(text) {}

  bool AtEnd() const { return rest_.empty(); }

  absl::StatusOr<CsvRecord> Record() {
    CsvRecord record;
    record.line = line_;
    do {
      auto field = !rest_.empty() && rest_.front() == '"' ? Quoted() : Plain();
      if (!field.ok()) return field.status();
      record.fields.push_back(*std::move(field));
    } while (absl::ConsumePrefix(&rest_, ","));
    if (!rest_.empty()) ConsumeLineBreak();
    return record;
  }

 private:
  absl::Status Wrong(int line, absl::string_view what) const {
    return absl::InvalidArgumentError(absl::StrCat("line ", line, ": ", what));
  }

  bool AtLineBreak() const { return rest_.front() == '\n' || rest_.substr(0, 2) == "\r\n"; }

  void ConsumeLineBreak() {
    rest_.remove_prefix(rest_.front() == '\n' ? 1 : 2);
    ++line_;
  }

  absl::StatusOr<std::string> Plain() {
    std::string field;
    for (; !rest_.empty() && rest_.front() != ',' && !AtLineBreak(); rest_.remove_prefix(1)) {
      if (rest_.front() == '"') return Wrong(line_, "a quote inside of a field that does not begin with one");
      field += rest_.front();
    }
    return field;
  }

  absl::StatusOr<std::string> Quoted() {
    const int begin = line_;
    std::string field;
    rest_.remove_prefix(1);
    while (!rest_.empty()) {
      const char c = rest_.front();
      rest_.remove_prefix(1);
      if (c == '"' && !absl::ConsumePrefix(&rest_, "\"")) {
        if (rest_.empty() || rest_.front() == ',' || AtLineBreak()) return field;
        return Wrong(line_, "text behind a closing quote, expected a comma or the line's end");
      }
      if (c == '\n') ++line_;
      field += c;
    }
    return Wrong(begin, "a quote opens here that is never closed");
  }

  absl::string_view rest_;
  int line_ = 1;
};

}  // namespace

absl::StatusOr<std::vector<CsvRecord>> ReadCsv(absl::string_view text) {
  std::vector<CsvRecord> records;
  Reader reader(text);
  while (!reader.AtEnd()) {
    auto record = reader.Record();
    if (!record.ok()) return record.status();
    // An empty line; an empty text alone in its record would be written "".
    if (record->fields.size() == 1 && record->fields[0].empty()) continue;
    records.push_back(*std::move(record));
  }
  return records;
}

}  // namespace ablate::cli
