#include "client/cpp/cli/means_text.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "client/cpp/cli/number.h"
#include "client/cpp/cli/text.h"

namespace ablate::cli {
namespace {

namespace v1 = ::ablation::v1;

std::string ModeText(const v1::MeanOptions& options) {
  std::vector<std::string> parts = {options.mode() == v1::MEAN_MODE_POOLED ? "pooled" : "positionwise"};
  if (options.source() == v1::MEAN_SOURCE_CORRUPTED) parts.emplace_back("corrupted");
  if (options.source() == v1::MEAN_SOURCE_BOTH) parts.emplace_back("clean and corrupted");
  if (options.prepend_bos()) parts.emplace_back("BOS");
  if (options.mode() == v1::MEAN_MODE_POOLED && options.include_first_position()) parts.emplace_back("with position 0");
  if (options.min_count() > 1) parts.push_back(absl::StrCat("at least ", options.min_count(), " tokens"));
  return absl::StrJoin(parts, ", ");
}

}  // namespace

std::string DetailsOf(const v1::MeanLibrary& library) {
  std::string text;
  const auto add = [&](const char* name, const auto& value) {
    absl::StrAppend(&text, absl::StrFormat("%-12s", name), value, "\n");
  };
  add("id", library.id());
  if (!library.display_name().empty()) add("name", Quote(library.display_name()));
  add("means", ModeText(library.options()));
  add("over", absl::StrCat(library.n_tokens(), " tokens of ", library.n_prompts(), " prompts"));
  add("positions", library.n_positions());
  if (library.options().group_by_template()) add("templates", library.templates_size());
  add("size", absl::StrCat(library.size_bytes(), " bytes"));
  add("computed", absl::StrCat(absl::FormatTime("%Y-%m-%d %H:%M:%S UTC",
                                                absl::FromUnixMillis(library.created_unix_ms()), absl::UTCTimeZone()),
                               " by ablated ", library.engine_version(),
                               library.precision() == v1::PRECISION_UNSPECIFIED
                                   ? ""
                                   : absl::StrCat(" in ", PrecisionName(library.precision()))));
  add("model", library.weights_sha256());
  return text;
}

std::string TableOf(const std::vector<v1::MeanLibrary>& libraries) {
  std::string table =
      absl::StrFormat("%-32s  %8s  %9s  %9s  %9s  %s\n", "id", "prompts", "tokens", "positions", "templates", "means");
  for (const v1::MeanLibrary& library : libraries) {
    const int templates = library.options().group_by_template() ? library.templates_size() : 0;
    absl::StrAppend(&table,
                    absl::StrFormat("%-32s  %8d  %9d  %9d  %9d  %s%s\n", library.id(), library.n_prompts(),
                                    library.n_tokens(), library.n_positions(), templates, ModeText(library.options()),
                                    library.display_name().empty() ? "" : " " + Quote(library.display_name())));
  }
  return libraries.empty() ? "no mean libraries of this model\n" : table;
}

}  // namespace ablate::cli
