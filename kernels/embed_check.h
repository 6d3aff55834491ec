// What can be known of embed's arguments before it runs: a message, empty where all is well.
#pragma once

#include <cstdint>
#include <string>

#include "kernels/embed.h"

namespace ablate::kernels {

// Checks sizes and pointers without reading through any. What the indices are is not checked.
std::string CheckEmbed(const EmbedArgs& args, int64_t n_tokens);

}  // namespace ablate::kernels
