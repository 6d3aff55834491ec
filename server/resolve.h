// Prompts and tokens of a request, resolved against the model's tokenizer. `field` is the path that errors name, e.g.
// `prompts[3].target`.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ablation/v1/scan.pb.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "engine/engine.h"

namespace ablate {

// The prompt's token ids, BOS in front where asked for; 1 .. n_positions of them, each in [0, V).
absl::StatusOr<std::vector<int32_t>> ResolvePrompt(const ablation::v1::Prompt& prompt, bool prepend_bos,
                                                   const Engine& engine, const std::string& field);

// The id that `ref` names. A text that is not exactly one token is an error that shows the tokens it became.
absl::StatusOr<int32_t> ResolveToken(const ablation::v1::TokenRef& ref, const Engine& engine, const std::string& field);

// What may surprise whoever wrote the prompt.
std::vector<std::string> PromptWarnings(const ablation::v1::Prompt& prompt);

}  // namespace ablate
