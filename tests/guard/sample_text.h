// A text for what measures the tokenizer.
#pragma once

#include <string>

namespace ablate::testing {

// About 100 kB of prose, numbers, code and other scripts, the same each time.
std::string SampleText();

}  // namespace ablate::testing
