// Direct and indirect effects, what makes up for an edit, and how likely the prompt is: of one prompt, for people.
#pragma once

#include <string>
#include <vector>

#include "absl/types/span.h"
#include "client/cpp/cli/block_rows.h"
#include "client/cpp/cli/legend.h"
#include "client/cpp/cli/style.h"
#include "client/cpp/cli/variant_means.h"

namespace ablate::cli {

// Of the runs in `strongest`; empty where no effects were asked for. `of` ends the title: ` -> mean`.
std::vector<std::string> EffectsTable(const Legend& legend, absl::Span<const Row> strongest, const std::string& of,
                                      Color color);
// Of the `n` variants (at one edit position) whose primary metric changes most in the mean; likewise.
std::vector<std::string> MeanEffectsTable(const Legend& legend, const VariantMeans& means, size_t n,
                                          const std::string& of, Color color);

// For each of the runs in `strongest`, the parts of the model that change most. `compensations`: the prompt's.
std::vector<std::string> CompensationTable(const Legend& legend, absl::Span<const Row> strongest,
                                           absl::Span<const CompensationEntry> compensations, Color color);

// The unedited run, and the edited ones that change it most; empty where none was asked for.
std::vector<std::string> LikelihoodTable(const Legend& legend, absl::Span<const LikelihoodEntry> likelihoods,
                                         Color color);

}  // namespace ablate::cli
