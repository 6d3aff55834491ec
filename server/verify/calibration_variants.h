// The edits of the calibration set.
#pragma once

#include <cstdint>
#include <memory>

#include "engine/engine.h"
#include "engine/plan/site.h"
#include "server/verify/calibration.h"

namespace ablate {

// A case edits so many sites alone: all of GPT-2 Small's.
inline constexpr int32_t kMostSites = 144;

// What the variants put in: a constant, a vector with entries in [-1, 1), and every site's folded value bias.
std::shared_ptr<const EditTable> MakeCalibrationTable(const Engine& engine);

// Fills the variants, `sweep` and `pairs` of a case whose tokens and table are there. `index` tells the cases of one
// length apart: they give a site different replacements.
void AddCalibrationVariants(ModelShape shape, int32_t index, CalibrationCase& made);

}  // namespace ablate
