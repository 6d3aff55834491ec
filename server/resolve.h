// Prompts and tokens of a request, resolved against the model's tokenizer. `field` is the path that errors name, e.g.
// `prompts[3].targets[0]`.
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

// The same of the pair's other prompt, which has `n_tokens` tokens as the prompt itself; empty where there is none.
absl::StatusOr<std::vector<int32_t>> ResolveCorrupted(const ablation::v1::Prompt& prompt, bool prepend_bos,
                                                      const Engine& engine, size_t n_tokens, const std::string& field);

// The tokens that stand for `ref`: one, unless the mode is TARGET_MODE_SEQUENCE. A text that is not exactly one token
// under TARGET_MODE_SINGLE is an error that shows the tokens it became. `mode` is not unspecified.
absl::StatusOr<std::vector<int32_t>> ResolveAnswer(const ablation::v1::TokenRef& ref, ablation::v1::TargetMode mode,
                                                   const Engine& engine, const std::string& field);

// What may surprise whoever wrote the prompt.
std::vector<std::string> PromptWarnings(const ablation::v1::Prompt& prompt);

}  // namespace ablate
