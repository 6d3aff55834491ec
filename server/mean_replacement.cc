#include "server/mean_replacement.h"

#include <algorithm>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "server/errors.h"
#include "server/means/mean_store.h"
#include "server/means/store_error.h"
#include "server/quote.h"
#include "server/unit_scan.h"

namespace ablate {
namespace {

namespace pb = ::ablation::v1;

std::string LibraryField(int index) {
  return absl::StrCat("replacements[", index, "].mean.library");
}

bool IsPooled(const MeanLibrary& library) {
  return library.info.options().mode() == pb::MEAN_MODE_POOLED;
}

absl::Status CheckFits(const MeanLibrary& library, const pb::AblateRequest& request, const EngineInfo& info,
                       const std::string& field) {
  const pb::MeanLibrary& about = library.info;
  const bool same_shape =
      library.n_layers == info.n_layers && library.n_heads == info.n_heads && library.d_head == info.d_head;
  if (about.weights_sha256() != info.weights_sha256 || !same_shape) {
    return UnfitField(field, "MEANS_OF_ANOTHER_MODEL",
                      absl::StrCat("library ", about.id(), " belongs to the model with weights ",
                                   about.weights_sha256(), ", expected this model's ", info.weights_sha256));
  }
  const bool library_bos = about.options().prepend_bos();
  if (library_bos == request.prepend_bos()) return absl::OkStatus();
  return UnfitField(field, "MEANS_OF_ANOTHER_BOS_SETTING",
                    absl::StrCat("library ", about.id(), " was computed ", library_bos ? "with" : "without",
                                 " `prepend_bos`, expected as in this request: ", library_bos ? "without" : "with"));
}

absl::StatusOr<std::shared_ptr<const MeanLibrary>> Find(const std::string& id, const MeanStore* store,
                                                        const std::string& field) {
  if (store == nullptr) {
    return UnfitField(field, "NO_MEAN_LIBRARIES", "this server keeps no mean libraries (--means-dir)");
  }
  auto library = store->Get(id);
  if (library.ok()) return library;
  if (!absl::IsNotFound(library.status())) return StoreError(library.status());
  return UnfitField(field, "MEAN_LIBRARY_NOT_FOUND",
                    absl::StrCat("got ", Quoted(id),
                                 ", expected the id of a library that this server keeps: "
                                 "`ComputeMeans` makes one, `ListMeanLibraries` lists them"));
}

// `position 4 of template "x"`.
std::string Cell(const MeanLibrary& library, const std::string& template_name, int32_t position) {
  return absl::StrCat(
      IsPooled(library) ? "all positions" : absl::StrCat("position ", position),
      library.info.options().group_by_template() ? absl::StrCat(" of template ", Quoted(template_name)) : "");
}

}  // namespace

absl::StatusOr<std::vector<std::shared_ptr<const MeanLibrary>>> FindMeanLibraries(const pb::AblateRequest& request,
                                                                                  const EngineInfo& info,
                                                                                  const MeanStore* store) {
  std::vector<std::shared_ptr<const MeanLibrary>> libraries(static_cast<size_t>(request.replacements_size()));
  for (int r = 0; r < request.replacements_size(); ++r) {
    if (!request.replacements(r).has_mean()) continue;
    const std::string field = LibraryField(r);
    auto library = Find(request.replacements(r).mean().library(), store, field);
    if (!library.ok()) return library.status();
    if (absl::Status status = CheckFits(**library, request, info, field); !status.ok()) return status;
    libraries[static_cast<size_t>(r)] = *std::move(library);
  }
  return libraries;
}

GroupIndex::GroupIndex(const MeanLibrary& library) : is_grouped_(library.info.options().group_by_template()) {
  for (int g = 0; g < library.info.templates_size(); ++g) groups_.emplace(library.info.templates(g), g);
}

int32_t GroupIndex::Of(const std::string& template_name) const {
  if (!is_grouped_) return 0;
  const auto found = groups_.find(template_name);
  return found == groups_.end() ? -1 : found->second;
}

absl::Status MeanCover::Check(const PreparedRequest& prepared, size_t prompt) const {
  const std::string& template_name = prepared.prompts[prompt].template_name;
  const int32_t group = groups_.Of(template_name);
  if (group < 0) {
    return UnfitField(LibraryField(index_), "MEAN_TEMPLATE_MISSING",
                      absl::StrCat("prompts[", prompt, "].template is ", Quoted(template_name),
                                   ", expected one of the ", library_->info.templates_size(), " that library ",
                                   library_->info.id(), " is grouped by, e.g. ", Quoted(library_->info.templates(0))));
  }
  for (const int32_t position : EditedPositions(prepared, prompt, MostAppended(prepared, prompt))) {
    if (absl::Status status = CheckCell(prompt, template_name, group, position); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status MeanCover::CheckCell(size_t prompt, const std::string& template_name, int32_t group,
                                  int32_t position) const {
  const pb::MeanLibrary& info = library_->info;
  const int32_t column = IsPooled(*library_) ? 0 : position;
  if (column >= info.n_positions()) {
    return UnfitField(LibraryField(index_), "MEAN_POSITION_MISSING",
                      absl::StrCat("prompts[", prompt, "] is edited at position ", position, ", expected 0 .. ",
                                   info.n_positions() - 1, ": library ", info.id(), " has no means behind"));
  }
  const int64_t least = std::max(1, info.options().min_count());
  const int64_t count =
      library_
          ->count[static_cast<size_t>(group) * static_cast<size_t>(info.n_positions()) + static_cast<size_t>(column)];
  if (count >= least) return absl::OkStatus();
  return UnfitField(LibraryField(index_), "MEAN_COUNT_TOO_SMALL",
                    absl::StrCat("prompts[", prompt, "] is edited at position ", position, ", and library ", info.id(),
                                 "'s mean at ", Cell(*library_, template_name, column), " is over ", count,
                                 " tokens, expected at least ", least, " (its min_count)"));
}

std::vector<std::string> GroupByTemplate(std::vector<PreparedPrompt>& prompts) {
  std::vector<std::string> templates;
  absl::flat_hash_map<std::string, int32_t> index;
  for (PreparedPrompt& prompt : prompts) {
    const auto [found, is_new] = index.try_emplace(prompt.template_name, static_cast<int32_t>(templates.size()));
    if (is_new) templates.push_back(prompt.template_name);
    prompt.mean_group = found->second;
  }
  return templates;
}

int64_t MeanTableSize(const MeanLibrary& library, size_t n_templates, int32_t n_positions) {
  const int64_t n_groups = library.info.options().group_by_template() ? static_cast<int64_t>(n_templates) : 1;
  return n_groups * library.n_layers * library.n_heads * std::min(n_positions, library.info.n_positions()) *
         library.d_head;
}

PreparedReplacement AppendMeans(const MeanLibrary& library, absl::Span<const std::string> templates,
                                int32_t n_positions, EditTable& table) {
  const bool is_grouped = library.info.options().group_by_template();
  const int32_t n_sites = library.n_layers * library.n_heads;
  const int32_t kept = std::min(n_positions, library.info.n_positions());
  const PreparedReplacement replacement{.first_entry = static_cast<int32_t>(table.n_entries()),
                                        .group_stride = is_grouped ? n_sites * kept : 0,
                                        .site_stride = kept,
                                        .position_stride = IsPooled(library) ? 0 : 1};
  const auto d_head = static_cast<int64_t>(library.d_head);
  const size_t n_groups = is_grouped ? templates.size() : 1;
  const GroupIndex groups(library);
  for (size_t g = 0; g < n_groups; ++g) {
    const int64_t group = is_grouped ? groups.Of(templates[g]) : 0;
    for (int64_t site = 0; site < n_sites; ++site) {
      const auto from = library.mean.begin() + (group * n_sites + site) * library.info.n_positions() * d_head;
      table.values.insert(table.values.end(), from, from + kept * d_head);
    }
  }
  return replacement;
}

}  // namespace ablate
