// What is written beside the rows, as named cells, the same in JSONL and CSV: likelihoods, compensations, the summary.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "client/cpp/cli/block_rows.h"
#include "client/cpp/cli/columns.h"
#include "client/cpp/cli/legend.h"

namespace ablate::cli {

using NamedCells = std::vector<std::pair<absl::string_view, Cell>>;

// `prompt_index`, `replacement`, `variant`, `variant_name`, `edit_position`, `mean_nll`, `perplexity` (its exp),
// `delta_mean_nll`.
NamedCells LikelihoodCells(const Legend& legend, const LikelihoodEntry& entry);
// Its `token_logprob`, [T - 1].
absl::Span<const double> TokenLogprobs(const LikelihoodEntry& entry);

// What names a compensation's row: the first five of the above, and `position`.
NamedCells CompensationKey(const Legend& legend, const CompensationEntry& entry);
absl::Span<const double> CompensationHeads(const CompensationEntry& entry, int64_t n_heads_of_model);  // [L * H]
absl::Span<const double> CompensationMlps(const CompensationEntry& entry, int64_t n_layers);           // [L]

// `replacement`, `variant`, `variant_name`, `edit_position`, then SummaryBlock's other columns by their names.
NamedCells SummaryCells(const Legend& legend, const ablation::v1::SummaryBlock& block, int i);
// The same of an entry that is all absent: the names, for a header.
NamedCells SummaryColumns(const Legend& legend);

}  // namespace ablate::cli
