// One prompt of a request: its tokens, its pair's, its answers and its positions.
#pragma once

#include <string>

#include "ablation/v1/scan.pb.h"
#include "absl/status/statusor.h"
#include "engine/engine.h"
#include "server/prepare.h"

namespace ablate {

// Most targets, and most contrasts, of a prompt.
inline constexpr int kMaxAnswers = 1'000;

// Prompt `index` of the request, whose replacements and readout have been checked. BadField names what is wrong with
// it.
absl::StatusOr<PreparedPrompt> PreparePrompt(const ablation::v1::AblateRequest& request, int index,
                                             const Engine& engine);

}  // namespace ablate
