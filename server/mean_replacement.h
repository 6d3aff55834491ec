// `mean` replacements: which library each one means, whether it fits, and its part of the edit table.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "ablation/v1/scan.pb.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "engine/engine.h"
#include "server/means/mean_library.h"
#include "server/prepare.h"

namespace ablate {

// For each replacement of the request its library; null where it is no `mean`. FAILED_PRECONDITION names
// `replacements[i].mean.library` where there is none of this id, or it is of another model or BOS setting.
absl::StatusOr<std::vector<std::shared_ptr<const MeanLibrary>>> FindMeanLibraries(
    const ablation::v1::AblateRequest& request, const EngineInfo& info, const MeanStore* store);

// Rows of a library's groups in its arrays. Must not outlive the library.
class GroupIndex {
 public:
  explicit GroupIndex(const MeanLibrary& library);
  // Of a prompt of this template; -1: the library is grouped and has none of that name.
  int32_t Of(const std::string& template_name) const;

 private:
  bool is_grouped_;
  absl::flat_hash_map<absl::string_view, int32_t> groups_;
};

// Whether a library has what a request's prompts need of it. Must not outlive the library.
class MeanCover {
 public:
  // It is that of replacement `index`.
  MeanCover(const MeanLibrary& library, int index) : library_(&library), index_(index), groups_(library) {}
  // Whether there is a mean, over enough tokens, wherever the prompt is edited. FAILED_PRECONDITION names the prompt,
  // and the position or template.
  absl::Status Check(const PreparedRequest& prepared, size_t prompt) const;

 private:
  absl::Status CheckCell(size_t prompt, const std::string& template_name, int32_t group, int32_t position) const;

  const MeanLibrary* library_;
  int index_;
  GroupIndex groups_;
};

// The templates of the prompts, each once, in the order in which they first appear; sets each prompt's `mean_group`.
std::vector<std::string> GroupByTemplate(std::vector<PreparedPrompt>& prompts);

// Numbers that AppendMeans would append, where prompts are at most `n_positions` long.
int64_t MeanTableSize(const MeanLibrary& library, size_t n_templates, int32_t n_positions);

// Appends the library's means at the positions 0 .. n_positions - 1 (as far as it has them), for each of `templates`
// where it is grouped, to `table`, and says where they are. All templates are the library's.
PreparedReplacement AppendMeans(const MeanLibrary& library, absl::Span<const std::string> templates,
                                int32_t n_positions, EditTable& table);

}  // namespace ablate
