#include "engine/forward/chunk_runner.h"

#include <ATen/Functions.h>

#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "engine/forward/layer.h"
#include "engine/forward/ops.h"

namespace ablate {
namespace {

// How many of the first requests make a block: at most kReadoutBlockRows, on as many different rows of logits; at least
// one.
size_t CountThatFits(absl::Span<const ReadoutRequest> requests) {
  absl::flat_hash_set<int64_t> rows;
  for (size_t i = 0; i < requests.size(); ++i) {
    if (static_cast<int64_t>(i) == kReadoutBlockRows) return i;
    rows.insert(requests[i].row);
    rows.insert(requests[i].baseline_row);
    if (static_cast<int64_t>(rows.size()) > kReadoutBlockRows) return i;
  }
  return requests.size();
}

}  // namespace

std::vector<ReadoutBlock> ChunkRunner::Run(const Chunk& chunk, absl::FunctionRef<bool(const ReadPoint&)> is_wanted) {
  // Left behind where the last chunk of a cut prompt was cancelled.
  if (chunk.first_layer == 0 && kept_.prompt != chunk.baselines.at(0)) kept_ = {};
  at::Tensor x = chunk.first_layer == 0 ? Embed(chunk) : KeptResidual(chunk);  // [N, D]
  if (chunk.keeps_baselines) {
    kept_ = {};
    kept_.prompt = chunk.baselines.at(0);
  }
  for (const LayerPlan& plan : chunk.layers) {
    if (chunk.keeps_baselines) {
      const Row& baseline = plan.rows.at(0);
      kept_.entering.push_back(x.narrow(0, baseline.first_token, baseline.end - baseline.begin).clone());
    }
    x = RunLayer(weights_.layers[plan.layer], config_, plan, edit_table_, x, workspace_);
  }
  if (chunk.keeps_baselines) KeepFinal(chunk, x);
  std::vector<ReadoutBlock> blocks = ReadOutChunk(chunk, x, is_wanted);
  if (chunk.releases_baselines) kept_ = {};
  return blocks;
}

at::Tensor ChunkRunner::Embed(const Chunk& chunk) {
  std::vector<int64_t> ids;
  std::vector<int64_t> positions;
  for (const Row& row : chunk.layers.at(0).rows) {
    const std::vector<int32_t>& prompt = scans_[row.prompt].token_ids;
    for (int32_t p = row.begin; p < row.end; ++p) {
      ids.push_back(prompt[p]);
      positions.push_back(p);
    }
  }
  ids.resize(PadRows(static_cast<int64_t>(ids.size())));
  positions.resize(ids.size());
  const c10::Device device = weights_.wte.device();
  at::Tensor x = workspace_.Take(Slot::kResidualA, {static_cast<int64_t>(ids.size()), config_.d_model});
  at::index_select_out(x, weights_.wte, 0, at::tensor(ids, at::kLong).to(device));
  x.add_(weights_.wpe.index_select(0, at::tensor(positions, at::kLong).to(device)));
  return x;
}

at::Tensor ChunkRunner::KeptResidual(const Chunk& chunk) {
  TORCH_CHECK(chunk.baselines.size() == 1 && chunk.baselines[0] == kept_.prompt, "a chunk that starts at layer ",
              chunk.first_layer, " reads a baseline that is not kept");
  const at::Tensor& kept = kept_.entering.at(chunk.first_layer);  // [T, D]
  at::Tensor x = workspace_.Take(Slot::kResidualA, {PadRows(kept.size(0)), config_.d_model});
  x.narrow(0, 0, kept.size(0)).copy_(kept);
  x.narrow(0, kept.size(0), x.size(0) - kept.size(0)).zero_();
  return x;
}

void ChunkRunner::KeepFinal(const Chunk& chunk, const at::Tensor& x) {
  std::vector<int64_t> tokens;
  for (const ReadPoint& read : chunk.reads) {
    if (read.variant >= 0) continue;
    kept_.positions.push_back(read.position);
    tokens.push_back(read.token);
  }
  kept_.final = x.index_select(0, at::tensor(tokens, at::kLong).to(x.device()));
}

std::vector<ReadoutBlock> ChunkRunner::ReadOutChunk(const Chunk& chunk, const at::Tensor& x,
                                                    absl::FunctionRef<bool(const ReadPoint&)> is_wanted) {
  absl::flat_hash_map<std::pair<int32_t, int32_t>, int64_t> baseline_row;  // by (prompt, position)
  at::Tensor residuals = x;                                                // [M, D], or [M + kept, D]
  for (const ReadPoint& read : chunk.reads) {
    if (read.variant < 0) baseline_row[{read.prompt, read.position}] = read.token;
  }
  if (kept_.final.defined() && !chunk.keeps_baselines) {
    residuals = at::cat({x, kept_.final});
    for (size_t i = 0; i < kept_.positions.size(); ++i) {
      baseline_row[{kept_.prompt, kept_.positions[i]}] = x.size(0) + static_cast<int64_t>(i);
    }
  }
  std::vector<ReadoutRequest> requests;
  requests.reserve(chunk.reads.size());
  for (const ReadPoint& read : chunk.reads) {
    if (!is_wanted(read)) continue;
    requests.push_back({.scan = read.prompt,
                        .variant = read.variant,
                        .position = read.position,
                        .row = read.token,
                        .baseline_row = baseline_row.at({read.prompt, read.position})});
  }
  std::vector<ReadoutBlock> blocks;
  absl::Span<const ReadoutRequest> rest = requests;
  while (!rest.empty()) {
    const size_t count = CountThatFits(rest);
    ReadOut(weights_, config_, scans_, rest.subspan(0, count), residuals, workspace_, blocks);
    rest.remove_prefix(count);
  }
  return blocks;
}

}  // namespace ablate
