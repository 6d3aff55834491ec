#include "client/cpp/cli/prompts_file.h"

#include <cerrno>
#include <cstdio>
#include <memory>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "client/cpp/cli/csv_prompts.h"
#include "client/cpp/cli/json_prompts.h"

namespace ablate::cli {

absl::StatusOr<DataSet> ParsePrompts(absl::string_view source, absl::string_view text) {
  absl::ConsumePrefix(&text, "\xEF\xBB\xBF");
  DataSet data;
  absl::Status status;
  const absl::string_view trimmed = absl::StripLeadingAsciiWhitespace(text);
  if (trimmed.empty() || (trimmed.front() != '{' && trimmed.front() != '[')) {
    status = ParseCsvPrompts(source, text, &data);
  } else if (IsJsonDocument(trimmed)) {
    status = ParseJsonDocument(source, text, &data);
  } else {
    status = ParseJsonLines(source, text, &data);
  }
  if (!status.ok()) return status;
  if (data.prompts.empty())
    return absl::InvalidArgumentError(
        absl::StrCat(source,
                     " holds no prompt; expected a line each, such as {\"prompt\": \"Rome is the capital of\"}, or CSV "
                     "with a header that names `prompt`"));
  return data;
}

std::string NameOfFile(const std::string& path) {
  return path == "-" ? "standard input" : path;
}

absl::StatusOr<std::string> ReadTextFile(absl::string_view option, const std::string& path) {
  const bool is_stdin = path == "-";
  const std::unique_ptr<FILE, int (*)(FILE*)> file(is_stdin ? stdin : std::fopen(path.c_str(), "rbe"),
                                                   is_stdin ? [](FILE*) { return 0; } : std::fclose);
  const auto cannot = [&] {
    return absl::InvalidArgumentError(
        absl::StrCat(option, ": ", absl::ErrnoToStatus(errno, absl::StrCat("cannot read ", path)).message()));
  };
  if (file == nullptr) return cannot();
  std::string text;
  char buffer[1 << 16];
  while (const size_t n = std::fread(buffer, 1, sizeof(buffer), file.get())) text.append(buffer, n);
  if (std::ferror(file.get())) return cannot();
  return text;
}

absl::StatusOr<DataSet> ReadPrompts(const std::string& path) {
  const auto text = ReadTextFile("--prompts", path);
  if (!text.ok()) return text.status();
  return ParsePrompts(NameOfFile(path), *text);
}

}  // namespace ablate::cli
