#include "engine/plan/plan.h"

#include <utility>

#include "engine/plan/check.h"
#include "engine/plan/chunk_builder.h"
#include "engine/plan/chunker.h"
#include "engine/plan/count_work.h"
#include "engine/plan/trie.h"

namespace ablate {

struct Planner::Impl {
  int32_t n_layers = 0;
  int64_t cost = 0;
  std::vector<Trie> tries;
  std::vector<ChunkSpec> specs;
};

absl::StatusOr<Planner> Planner::Create(absl::Span<const PlanPrompt> prompts, const PlanOptions& options) {
  if (absl::Status status = CheckBatch(prompts, options); !status.ok()) return status;
  auto impl = std::make_shared<Impl>();
  impl->n_layers = options.n_layers;
  impl->tries.reserve(prompts.size());
  for (const PlanPrompt& prompt : prompts) impl->tries.push_back(MakeTrie(prompt, options.n_layers));
  absl::StatusOr<std::vector<ChunkSpec>> specs = CutIntoChunks(impl->tries, options);
  if (!specs.ok()) return specs.status();
  impl->specs = *std::move(specs);
  for (const ChunkSpec& spec : impl->specs) impl->cost += spec.cost;
  return Planner(std::move(impl));
}

int64_t Planner::n_chunks() const {
  return static_cast<int64_t>(impl_->specs.size());
}

int64_t Planner::cost() const {
  return impl_->cost;
}

PlanWork Planner::Work() const {
  return CountWork(impl_->tries, impl_->specs, impl_->n_layers);
}

Chunk Planner::Build(int64_t index) const {
  return BuildChunk(impl_->tries, impl_->specs[index], impl_->n_layers);
}

absl::StatusOr<Plan> MakePlan(absl::Span<const PlanPrompt> prompts, const PlanOptions& options) {
  absl::StatusOr<Planner> planner = Planner::Create(prompts, options);
  if (!planner.ok()) return planner.status();
  Plan plan;
  plan.cost = planner->cost();
  plan.chunks.reserve(planner->n_chunks());
  for (int64_t i = 0; i < planner->n_chunks(); ++i) {
    plan.chunks.push_back(planner->Build(i));
    for (const LayerPlan& layer : plan.chunks.back().layers) {
      plan.rows_in += static_cast<int64_t>(layer.rows.size());
      plan.rows_out += static_cast<int64_t>(layer.row_edit_begin.size()) - 1;
    }
  }
  return plan;
}

}  // namespace ablate
