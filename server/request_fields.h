// Checks of what requests of several kinds have in common.
#pragma once

#include <cstddef>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace ablate {

inline constexpr int kMaxPrompts = 100'000;
inline constexpr size_t kMaxNameBytes = 200;

// BadField on `prompts` where there are none, or more than kMaxPrompts.
absl::Status CheckPromptCount(int n_prompts);

// BadField on `display_name` where it is longer than kMaxNameBytes.
absl::Status CheckDisplayName(absl::string_view name);

}  // namespace ablate
