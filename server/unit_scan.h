// The scans of a prepared request: which there are of a prompt, and where their edits go.
#pragma once

#include <cstdint>
#include <vector>

#include "server/prepare.h"

namespace ablate {

// The units of all prompts, unpriced.
std::vector<ScanUnit> MakeUnits(const PreparedRequest& request);

// Tokens that a unit of a sequence appends to its prompt: all of its answer but the last one. 0 elsewhere.
int32_t NumAppended(const PreparedRequest& request, const ScanUnit& unit);

// Of the prompt's units, the most.
int32_t MostAppended(const PreparedRequest& request, size_t prompt);

// Where a prompt's edits apply, rising, `n_appended` appended tokens included where they are edited. All of them
// together, also where each is edited alone.
std::vector<int32_t> EditedPositions(const PreparedRequest& request, size_t prompt, int32_t n_appended);

}  // namespace ablate
