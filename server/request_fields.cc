#include "server/request_fields.h"

#include "absl/strings/str_cat.h"
#include "server/errors.h"

namespace ablate {

absl::Status CheckPromptCount(int n_prompts) {
  if (n_prompts >= 1 && n_prompts <= kMaxPrompts) return absl::OkStatus();
  return BadField("prompts", "PROMPT_COUNT_OUT_OF_RANGE",
                  absl::StrCat("got ", n_prompts, " prompts, expected 1 .. ", kMaxPrompts));
}

absl::Status CheckDisplayName(absl::string_view name) {
  if (name.size() <= kMaxNameBytes) return absl::OkStatus();
  return BadField("display_name", "NAME_TOO_LONG",
                  absl::StrCat("got ", name.size(), " bytes, expected at most ", kMaxNameBytes));
}

}  // namespace ablate
