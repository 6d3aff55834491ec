// Files that only their owner should be able to change, or to read.
#pragma once

#include <string>

namespace ablate {

// What is wrong with the file's permissions and how to mend it, where others than its owner and readers in its group
// can read or change it; empty where nothing is, or there is no such file.
std::string WhyTooOpen(const std::string& path);

// The same where others than its owner can change it.
std::string WhyChangeable(const std::string& path);

}  // namespace ablate
