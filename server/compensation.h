// What the rest of the model does about an edit, as messages.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "ablation/v1/scan.pb.h"
#include "engine/types.h"
#include "server/prepare.h"

namespace ablate {

// Appends the compensation of a block of unit `unit`, of variants only, in messages of at most about `max_bytes`.
// Nothing where the block has none. CheckColumns has passed the block.
void AppendCompensation(const ReadoutBlock& block, const PreparedRequest& prepared, size_t unit, size_t max_bytes,
                        std::vector<ablation::v1::CompensationBlock>& blocks);

// Bytes that one row takes in a message, at most.
int64_t CompensationBytes(ModelShape shape);

}  // namespace ablate
