// The calibration set: scans that show what rounding does, the same for every run of one model.
//
// Each case is a piece of the calibration text with another piece as donor, read at its last positions. Its variants
// zero single heads, give them their folded value bias, a constant, a vector or a multiple of themselves, take them
// from the donor, and zero whole layers and pairs. Most edit the last few positions only, so that a thousand tokens
// cost little more than eight (docs/design.md, fact 2); some edit the whole prompt.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "engine/engine.h"

namespace ablate {

// A variant that edits two sites, and those that edit either: indices into Scan::variants.
struct CalibrationPair {
  int32_t both = 0, first = 0, second = 0;
};

struct CalibrationCase {
  // With effects and `top_k` most probable tokens, and without answers.
  Scan scan;
  // Variants that zero one site each, no site twice: the heads' effects, which are ranked.
  std::vector<int32_t> sweep;
  std::vector<CalibrationPair> pairs;
};

// Lengths of the prompts, rising: 8, 32, 128 and 512, as far as the model goes, and n_positions.
std::vector<int32_t> CalibrationLengths(int32_t n_positions);

// By rising length. Of a model with more than 144 sites each case takes 144, spread over all layers. Errors are the
// tokenizer's, or tell that it makes no tokens of the text.
absl::StatusOr<std::vector<CalibrationCase>> MakeCalibration(const Engine& engine);

// What is read at each of a case's read positions, given the most probable tokens of its unedited run there, the most
// probable first: the first against the second, one of them against any token of the vocabulary, and such a token
// against the first, by turns. `seed` tells cases apart; the vocabulary has two tokens or more.
std::vector<Answers> ChooseAnswers(absl::Span<const std::vector<int32_t>> top_ids, int32_t vocab_size, uint64_t seed);

}  // namespace ablate
