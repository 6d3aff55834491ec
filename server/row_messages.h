// Assembled rows as the messages of a stream, and back.
#pragma once

#include <cstdint>
#include <vector>

#include "ablation/v1/scan.pb.h"
#include "engine/model/tokenizer.h"
#include "server/prompt_rows.h"
#include "server/row_blocks.h"
#include "server/wire_rows.h"

namespace ablate {

// In the order: rows, compensation, likelihood.
std::vector<ablation::v1::AblateResponse> MakeMessages(AssembledRows rows, const RowFormat& format,
                                                       const Tokenizer& tokenizer);

// What statistics need of a block: the columns that can be primary, their deltas, `top1_preserved`, and what identifies
// rows.
WireRows PrimaryRows(const ablation::v1::RowBlock& block);

}  // namespace ablate
