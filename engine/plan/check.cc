#include "engine/plan/check.h"

#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"

namespace ablate {
namespace {

constexpr int64_t kMaxIndex = std::numeric_limits<int32_t>::max();

// The message's path is made only when there is an error to report.
struct EditPath {
  size_t variant, edit;
};

template <typename... Args>
absl::Status EditError(const EditPath& at, const Args&... message) {
  return absl::InvalidArgumentError(absl::StrCat("variants[", at.variant, "].edits[", at.edit, "]", message...));
}

absl::Status CheckEdit(const EditPath& at, const Edit& edit, const PlanPrompt& prompt, int32_t n_layers) {
  const int32_t n_tokens = prompt.n_tokens;
  if (edit.site.layer < 0 || edit.site.layer >= n_layers) {
    return EditError(at, ".site.layer is ", edit.site.layer, ", expected 0 to ", n_layers - 1);
  }
  if (edit.site.head < 0) return EditError(at, ".site.head is ", edit.site.head, ", expected at least 0");
  if (edit.positions.begin < 0 || edit.positions.begin >= n_tokens) {
    return EditError(at, ".positions.begin is ", edit.positions.begin, ", expected 0 to ", n_tokens - 1);
  }
  if (edit.positions.end <= edit.positions.begin) {
    return EditError(at, ".positions is empty: [", edit.positions.begin, ", ", edit.positions.end, ")");
  }
  if (!std::isfinite(edit.scale)) return EditError(at, ".scale is ", edit.scale, ", expected a finite number");
  if (edit.entry < -1) return EditError(at, ".entry is ", edit.entry, ", expected -1 (none) or an entry of the table");
  if (edit.entry_stride != 0 && edit.entry_stride != 1) {
    return EditError(at, ".entry_stride is ", edit.entry_stride, ", expected 0 or 1");
  }
  if (edit.from_donor && !prompt.has_donor) return EditError(at, ".from_donor is set, and the prompt has no donor");
  return absl::OkStatus();
}

absl::Status CheckOrder(const EditPath& at, const Edit& before, const Edit& edit) {
  if (edit.site < before.site || (edit.site == before.site && edit.positions.begin < before.positions.begin)) {
    return EditError(at, " (", Label(edit.site), ") comes before the edit in front of it (", Label(before.site),
                     "); expected edits sorted by site and positions");
  }
  if (edit.site == before.site && edit.positions.begin < before.positions.end) {
    return EditError(at, ".positions.begin is ", edit.positions.begin, ", inside the range of the edit before it at ",
                     Label(edit.site), ", which ends at ", before.positions.end, "; expected no overlap");
  }
  return absl::OkStatus();
}

absl::Status CheckReadPositions(absl::Span<const int32_t> positions, int32_t n_tokens) {
  if (positions.empty()) {
    return absl::InvalidArgumentError("read_positions is empty, expected at least one position");
  }
  for (size_t i = 0; i < positions.size(); ++i) {
    if (positions[i] < 0 || positions[i] >= n_tokens) {
      return absl::InvalidArgumentError(
          absl::StrCat("read_positions[", i, "] is ", positions[i], ", expected 0 to ", n_tokens - 1));
    }
    if (i > 0 && positions[i] <= positions[i - 1]) {
      return absl::InvalidArgumentError(absl::StrCat("read_positions[", i, "] is ", positions[i], " after ",
                                                     positions[i - 1], "; expected rising positions, each once"));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckAtMostMaxIndex(const char* name, int64_t count) {
  if (count <= kMaxIndex) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("the batch has ", count, " ", name, ", expected at most ", kMaxIndex));
}

}  // namespace

absl::Status CheckPrompt(const PlanPrompt& prompt, int32_t n_layers) {
  if (prompt.n_tokens < 1) {
    return absl::InvalidArgumentError(absl::StrCat("n_tokens is ", prompt.n_tokens, ", expected at least 1"));
  }
  if (absl::Status status = CheckReadPositions(prompt.read_positions, prompt.n_tokens); !status.ok()) return status;
  for (size_t v = 0; v < prompt.variants.size(); ++v) {
    const std::vector<Edit>& edits = prompt.variants[v].edits;
    for (size_t e = 0; e < edits.size(); ++e) {
      const EditPath at{v, e};
      if (absl::Status status = CheckEdit(at, edits[e], prompt, n_layers); !status.ok()) return status;
      if (e == 0) continue;
      if (absl::Status status = CheckOrder(at, edits[e - 1], edits[e]); !status.ok()) return status;
    }
  }
  return absl::OkStatus();
}

absl::Status CheckBatch(absl::Span<const PlanPrompt> prompts, const PlanOptions& options) {
  if (options.n_layers < 1) {
    return absl::InvalidArgumentError(absl::StrCat("n_layers is ", options.n_layers, ", expected at least 1"));
  }
  if (options.first_packed_tokens < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("first_packed_tokens is ", options.first_packed_tokens, ", expected at least 0"));
  }
  if (options.max_packed_tokens < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("max_packed_tokens is ", options.max_packed_tokens, ", expected at least 1"));
  }
  int64_t n_variants = 0;
  int64_t n_edits = 0;
  for (size_t p = 0; p < prompts.size(); ++p) {
    if (absl::Status status = CheckPrompt(prompts[p], options.n_layers); !status.ok()) {
      return absl::InvalidArgumentError(absl::StrCat("prompts[", p, "].", status.message()));
    }
    n_variants += static_cast<int64_t>(prompts[p].variants.size());
    for (const Variant& variant : prompts[p].variants) n_edits += static_cast<int64_t>(variant.edits.size());
  }
  if (absl::Status status = CheckAtMostMaxIndex("prompts", static_cast<int64_t>(prompts.size())); !status.ok()) {
    return status;
  }
  if (absl::Status status = CheckAtMostMaxIndex("variants", n_variants); !status.ok()) return status;
  return CheckAtMostMaxIndex("edits", n_edits);
}

}  // namespace ablate
