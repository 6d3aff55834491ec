// The `heads` sweep that runs first where a request wants its strongest sites: what it keeps, and the order it gives.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "ablation/v1/scan.pb.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/plan/sweep.h"
#include "server/delta_table.h"
#include "server/prepare.h"
#include "server/wire_rows.h"

namespace ablate {

// Prompts that choose sites, and prompts that estimate their effects. Both rise.
struct PromptSplit {
  std::vector<int32_t> chooses, estimates;
};

// All prompts in both.
PromptSplit WithoutSplit(size_t n_prompts);

// Half of the clusters (rounded down) chooses and the others estimate, drawn by `seed`. A cluster is the prompts of one
// template; a prompt that names none is one of its own. BadField on `summary.split` where there is only one cluster.
absl::StatusOr<PromptSplit> SplitClusters(absl::Span<const PreparedPrompt> prompts, uint64_t seed);

// What the request's summary asks for: all prompts in both, or SplitClusters under `split`.
absl::StatusOr<PromptSplit> SplitFor(const ablation::v1::SummaryOptions& options,
                                     absl::Span<const PreparedPrompt> prompts);

// Fills in which of the request's prompts chose, where it was not all of them.
void NameChoosers(const PromptSplit& split, size_t n_prompts, ablation::v1::Selection& selection);

// Leaves the given prompts of a prepared `heads` sweep.
void KeepForSelection(absl::Span<const int32_t> prompts, PreparedRequest& prepared);

// The mean delta of every site, as Selection has it: over clusters of their means, so that the prompts of a large
// template weigh no more than those of a small one, as in summaries. Not thread-safe.
class SiteStrengths {
 public:
  // Of a sweep over single sites.
  explicit SiteStrengths(std::shared_ptr<const PreparedRequest> prepared);

  // Takes the rows of one prompt that have come, of which a site has one that counts: all edit positions are edited
  // together (Prepare).
  void Take(int32_t prompt, const WireRows& rows);

  // The strongest site first; of equals the one in the lower layer, then the lower head.
  ablation::v1::Selection Order() const;

 private:
  const std::shared_ptr<const PreparedRequest> prepared_;
  // [P, variants]; NaN: has not come. Summed up in the order of the prompts, whatever the order in which they came.
  std::vector<double> delta_;
};

std::vector<Site> SitesOf(const ablation::v1::Selection& selection);

}  // namespace ablate
