// From the engine's blocks to the contract's rows, for the prompts of one request.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "server/interaction.h"
#include "server/prepare.h"
#include "server/prompt_rows.h"

namespace ablate {

// Not thread-safe. Holds what waits for other rows of its prompt; nothing of prompts that have ended.
class RowAssembler {
 public:
  // `is_over_pairs`: the sweep is `pairs`, and rows get their `interaction`.
  RowAssembler(std::shared_ptr<const PreparedRequest> prepared, bool is_over_pairs);

  // Takes a block of a unit and gives what is complete now, all of the unit's prompt. Internal where columns differ in
  // length; InvalidArgument names the replacement whose values are so large that a result is not finite.
  absl::StatusOr<AssembledRows> Take(const ReadoutBlock& block, size_t unit);

  // All units of the prompt have run. Internal where rows are missing or too many came.
  absl::Status EndPrompt(int32_t prompt);

 private:
  absl::Status CheckFinite(const ReadoutBlock& block, size_t unit) const;

  const std::shared_ptr<const PreparedRequest> prepared_;
  const std::optional<PairIndex> pairs_;
  absl::flat_hash_map<int32_t, std::unique_ptr<PromptRows>> prompts_;
};

}  // namespace ablate
