// The statistics over the prompts, for people.
#pragma once

#include <string>
#include <vector>

#include "client/cpp/cli/block_rows.h"
#include "client/cpp/cli/legend.h"
#include "client/cpp/cli/style.h"

namespace ablate::cli {

// What it rests on, the entries with the largest |mean| with interval and tests, and what its columns and flags mean.
std::vector<std::string> StatisticsTable(const Legend& legend, const Summary& summary, Color color);

}  // namespace ablate::cli
