#include "engine/forward/chunk_runner.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "engine/forward/device.h"
#include "engine/forward/device_tables.h"
#include "engine/forward/ops.h"

namespace ablate {
namespace {

// How many of the first requests make a block: at most `block_rows`, on as many different rows of logits; at least one.
size_t CountThatFits(absl::Span<const ReadoutRequest> requests, int64_t block_rows) {
  absl::flat_hash_set<int64_t> rows;
  for (size_t i = 0; i < requests.size(); ++i) {
    if (static_cast<int64_t>(i) == block_rows) return i;
    rows.insert(requests[i].row);
    rows.insert(requests[i].baseline_row);
    if (requests[i].donor_row >= 0) rows.insert(requests[i].donor_row);
    if (static_cast<int64_t>(rows.size()) > block_rows) return i;
  }
  return requests.size();
}

// Tokens of the unedited rows that a prompt's own chunk begins with: its baseline's, and its donor's behind it.
int64_t UneditedTokens(const std::vector<Row>& rows) {
  const bool has_donor = rows.size() > 1 && rows[1].is_donor;
  return (has_donor ? 2 : 1) * int64_t{rows.at(0).end};
}

}  // namespace

ChunkRunner::Result ChunkRunner::Pending::Take() && {
  for (PendingBlocks& readout : readouts_) std::move(readout)(effects_, result_.blocks);
  result_.forward_ns = forward_.ElapsedNs();
  result_.readout_ns = readout_->ElapsedNs();
  return std::move(result_);
}

ChunkRunner::Pending ChunkRunner::Queue(const Chunk& chunk, absl::FunctionRef<bool(const ReadPoint&)> is_wanted) {
  const int32_t first_prompt = chunk.layers.at(0).rows.at(0).prompt;
  // Left behind where the last chunk of a cut prompt was cancelled.
  if (chunk.keeps_baselines || kept_.prompt != first_prompt) DropKept();
  Pending pending(on_.device);
  ReserveFor(ShapeOf(chunk, kRowMultiple), config_, workspace_);
  const PackedTokens tokens = PackTokens(chunk, scans_);
  const int64_t n_recorded = graphs_ == nullptr ? 0 : graphs_->n_recorded();
  const at::Tensor x =
      IsRecordable(chunk) ? RunRecordable(chunk, tokens) : RunTapped(chunk, tokens, pending.result_, pending.effects_);
  pending.readout_.emplace(on_.device);
  const auto read_out = [&] { pending.readouts_ = ReadOutChunk(chunk, x, pending.effects_, is_wanted); };
  // What was recorded comes again, and its readouts with it.
  graphs_ != nullptr && graphs_->n_recorded() > n_recorded ? graphs_->Rehearse(read_out) : read_out();
  pending.readout_->Stop();
  pending.forward_.Stop();
  if (chunk.releases_baselines) DropKept();
  return pending;
}

at::Tensor ChunkRunner::RunRecordable(const Chunk& chunk, const PackedTokens& tokens) {
  const auto layers = [&](const DeviceTables& tables, int64_t n) {
    at::Tensor x = Embedded(tables, n);
    for (size_t i = 0; i < chunk.layers.size(); ++i) x = RunLayerOf(chunk, i, tables, x).x;
    return x;
  };
  return graphs_->Run(chunk, tokens, edit_table_, on_, layers);
}

// A pass out of which something is taken on its way, or that goes on from what was kept.
at::Tensor ChunkRunner::RunTapped(const Chunk& chunk, const PackedTokens& tokens, Result& result, EffectRows& effects) {
  if (chunk.keeps_baselines) BeginKeeping(chunk);
  HeadOutputsTap head_outputs(chunk, scans_);
  effects_.Begin(chunk);
  const DeviceTables tables(chunk, tokens, config_, edit_table_, on_);
  at::Tensor x = chunk.first_layer == 0 ? Embedded(tables, PadRows(chunk.layers[0].n_tokens_in)) : KeptResidual(chunk);
  for (size_t i = 0; i < chunk.layers.size(); ++i) {
    const LayerPlan& plan = chunk.layers[i];
    if (chunk.keeps_baselines) {
      const int64_t unedited = UneditedTokens(plan.rows);
      kept_.entering.push_back(TakeKept(unedited).copy_(x.narrow(0, 0, unedited)));
    }
    const LayerOutput out = RunLayerOf(chunk, i, tables, x);
    head_outputs.Layer(plan, out.z);
    effects_.Layer(plan, out);
    x = out.x;
  }
  if (chunk.keeps_baselines) KeepFinal(chunk, x);
  result.head_outputs = std::move(head_outputs).Take();
  effects = effects_.Finish(x);
  return x;
}

// A pass of kernels and products alone, of which nothing is taken on the way, whose rows our attention takes.
bool ChunkRunner::IsRecordable(const Chunk& chunk) const {
  if (graphs_ == nullptr || chunk.first_layer != 0 || chunk.keeps_baselines) return false;
  for (const Row& row : chunk.layers.at(0).rows) {
    if (!on_.own_attention.Takes(row.begin, row.end)) return false;
  }
  return std::none_of(chunk.reads.begin(), chunk.reads.end(), [this](const ReadPoint& read) {
    const Scan& scan = scans_[read.prompt];
    return scan.effects || static_cast<bool>(scan.on_head_outputs);
  });
}

LayerOutput ChunkRunner::RunLayerOf(const Chunk& chunk, size_t index, const DeviceTables& tables, at::Tensor x) {
  const LayerPlan& plan = chunk.layers[index];
  return RunLayer(weights_.layers[plan.layer], config_, plan, tables.At(index), tables.edit_table(), std::move(x),
                  workspace_);
}

at::Tensor ChunkRunner::Embedded(const DeviceTables& tables, int64_t n) {
  at::Tensor x = workspace_.Take(Slot::kResidualA, {n, config_.d_model});
  Embed(weights_.wte, weights_.wpe, tables.tokens(), x);
  return x;
}

at::Tensor ChunkRunner::KeptResidual(const Chunk& chunk) {
  const std::vector<Row>& rows = chunk.layers.at(0).rows;
  TORCH_CHECK(rows.at(0).prompt == kept_.prompt, "a chunk that starts at layer ", chunk.first_layer,
              " reads a baseline that is not kept");
  const int64_t n_tokens = chunk.layers[0].n_tokens_in;
  const at::Tensor& kept = kept_.entering.at(chunk.first_layer);  // [T, D] or [2 T, D]
  at::Tensor x = workspace_.Take(Slot::kResidualA, {PadRows(n_tokens), config_.d_model});
  x.narrow(0, 0, n_tokens).copy_(kept.narrow(0, 0, n_tokens));
  x.narrow(0, n_tokens, x.size(0) - n_tokens).zero_();
  return x;
}

void ChunkRunner::BeginKeeping(const Chunk& chunk) {
  int64_t rows = 0;
  for (const LayerPlan& plan : chunk.layers) rows += UneditedTokens(plan.rows);
  for (const ReadPoint& read : chunk.reads) rows += read.variant < 0 ? 1 : 0;
  kept_.prompt = chunk.layers.at(0).rows.at(0).prompt;
  kept_.storage = workspace_.Borrow(rows * config_.d_model);
}

// The next [rows, D] of the storage.
at::Tensor ChunkRunner::TakeKept(int64_t rows) {
  const int64_t numel = rows * config_.d_model;
  const at::Tensor taken = kept_.storage.narrow(0, kept_.used, numel).view({rows, config_.d_model});
  kept_.used += numel;
  return taken;
}

void ChunkRunner::DropKept() {
  workspace_.GiveBack(std::move(kept_.storage));
  kept_ = {};
}

void ChunkRunner::KeepFinal(const Chunk& chunk, const at::Tensor& x) {
  std::vector<int64_t> tokens, donor_tokens;
  for (const ReadPoint& read : chunk.reads) {
    if (read.variant == kDonorVariant) donor_tokens.push_back(read.token);
    if (read.variant != kBaselineVariant) continue;
    kept_.positions.push_back(read.position);
    tokens.push_back(read.token);
  }
  kept_.final = TakeKept(static_cast<int64_t>(tokens.size()));
  GatherRows({&x, 1}, tokens, kept_.final);
  if (donor_tokens.empty()) return;
  kept_.donor_final = TakeKept(static_cast<int64_t>(donor_tokens.size()));
  GatherRows({&x, 1}, donor_tokens, kept_.donor_final);
}

std::vector<PendingBlocks> ChunkRunner::ReadOutChunk(const Chunk& chunk, const at::Tensor& x, const EffectRows& effects,
                                                     absl::FunctionRef<bool(const ReadPoint&)> is_wanted) {
  using Key = std::pair<int32_t, int32_t>;  // (prompt, position)
  absl::flat_hash_map<Key, int64_t> baseline_row, donor_row;
  for (const ReadPoint& read : chunk.reads) {
    if (read.variant == kBaselineVariant) baseline_row[{read.prompt, read.position}] = read.token;
    if (read.variant == kDonorVariant) donor_row[{read.prompt, read.position}] = read.token;
  }
  std::vector<at::Tensor> residuals = {x};  // [M, D], and what is kept behind it
  int64_t n_rows = x.size(0);
  const auto append_kept = [&](const at::Tensor& rows, absl::flat_hash_map<Key, int64_t>& row_of) {
    if (!rows.defined()) return;
    for (const int32_t position : kept_.positions) row_of[{kept_.prompt, position}] = n_rows++;
    residuals.push_back(rows);
  };
  if (!chunk.keeps_baselines) {
    append_kept(kept_.final, baseline_row);
    append_kept(kept_.donor_final, donor_row);
  }
  std::vector<ReadoutRequest> requests;
  requests.reserve(chunk.reads.size());
  for (const ReadPoint& read : chunk.reads) {
    if (!is_wanted(read)) continue;
    const Key key = {read.prompt, read.position};
    const auto donor = donor_row.find(key);
    requests.push_back({.scan = read.prompt,
                        .variant = read.variant,
                        .position = read.position,
                        .row = read.token,
                        .baseline_row = baseline_row.at(key),
                        .donor_row = donor == donor_row.end() ? -1 : donor->second,
                        .effect = read.variant < 0 ? -1 : effects.OfToken(read.token)});
  }
  std::vector<PendingBlocks> blocks;
  absl::Span<const ReadoutRequest> rest = requests;
  while (!rest.empty()) {
    const size_t count = CountThatFits(rest, ReadoutBlockRows(KindOf(x.device())));
    blocks.push_back(ReadOut(weights_, config_, scans_, rest.subspan(0, count), residuals, workspace_));
    rest.remove_prefix(count);
  }
  return blocks;
}

}  // namespace ablate
