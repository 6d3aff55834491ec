// What the calibration prompts are cut from.
#pragma once

#include <string_view>

namespace ablate {

// English of several kinds (prose, dialogue, facts, lists that come back, figures), written for this purpose: about
// 1,500 of GPT-2's tokens. A change moves every measured floor a little.
std::string_view CalibrationText();

}  // namespace ablate
