// Turns scans into forward passes: which rows exist at which layer, and where each token's state comes from.
// Pure functions: no tensor, no device (docs/design.md, "one packed batch that fans out").
//
// A row is one distinct partial set of edits of one prompt. Entering layer l, the rows are the distinct
// restrictions of the chunk's variants to layers < l. A row stores the tokens of positions [begin, end) only: before
// its first edited position it equals its prompt's baseline row, whose keys and values it reads.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "engine/plan/site.h"
#include "engine/plan/work.h"

namespace ablate {

// One prompt's part of a batch, as the planner needs it.
struct PlanPrompt {
  // Tokens of the prompt, T >= 1.
  int32_t n_tokens = 0;
  // Without the baseline, which every prompt has.
  absl::Span<const Variant> variants;
  // Sorted, distinct, each in [0, n_tokens); at least one. Tokens behind the last one are never computed.
  absl::Span<const int32_t> read_positions;
  // Another prompt of n_tokens runs beside it, whose values Edit::from_donor takes. It is read where the baseline is.
  bool has_donor = false;
  // Added to the entries of the variants' edits: where the prompt's own table begins in the batch's.
  int32_t first_entry = 0;
};

struct PlanOptions {
  int32_t n_layers = 0;
  // Most packed tokens in any layer of one chunk. A chunk with a single variant (or with variants that equal each
  // other), or with a baseline alone, may exceed it: it cannot be cut. No chunk exceeds INT32_MAX.
  int64_t max_packed_tokens = 0;
  // Likewise of the first chunk, where that is fewer and not 0, unless its first prompt fits whole into
  // max_packed_tokens: so that a device has work soon while the next chunk is planned.
  int64_t first_packed_tokens = 0;
};

// A row's place in the packed tokens `[N, D]` that enter a layer.
struct Row {
  // Index into the batch's prompts.
  int32_t prompt = 0;
  // The prompt's donor: its own tokens, unedited.
  bool is_donor = false;
  // Positions held: [begin, end), packed at [first_token, first_token + end - begin).
  int32_t begin = 0;
  int32_t end = 0;
  int32_t first_token = 0;
  // Index of the prompt's baseline row in the same layer; -1 where `begin` is 0 and nothing is read from it.
  int32_t baseline = -1;
};

// What happens to one head of a row on its way out of a layer; see kernels/fan_out.h, whose HeadEdit it becomes.
struct RowEdit {
  int32_t head = 0;
  PositionRange positions;
  float scale = 0.0F;
  int32_t entry = -1;
  int32_t entry_stride = 0;
  // Incoming packed token of position 0 of the row that z is taken from; -1: the token's own source.
  int32_t source_first = -1;
};

// One layer of a chunk: rows in, rows out, and where each outgoing token comes from.
struct LayerPlan {
  int32_t layer = 0;
  // Rows that enter; N packed tokens.
  std::vector<Row> rows;
  int64_t n_tokens_in = 0;
  // For each of the M outgoing packed tokens: the incoming token it copies, its position, its outgoing row.
  std::vector<int32_t> source_token;
  std::vector<int32_t> position;
  std::vector<int32_t> row;
  // For each outgoing row, the incoming row that it goes on from.
  std::vector<int32_t> parent;
  // Edits of outgoing row r: row_edits[row_edit_begin[r] .. row_edit_begin[r + 1]).
  std::vector<int32_t> row_edit_begin;
  std::vector<RowEdit> row_edits;
};

// One readout: the final residual of `token` (index into the last layer's outgoing tokens).
struct ReadPoint {
  int32_t prompt = 0;
  // Index into the prompt's variants, kBaselineVariant or kDonorVariant.
  int32_t variant = kBaselineVariant;
  int32_t position = 0;
  int32_t token = 0;
};

// One forward pass.
struct Chunk {
  // Layers first_layer .. n_layers - 1, in order.
  int32_t first_layer = 0;
  std::vector<LayerPlan> layers;
  // Every row that leaves the last layer at its read positions; the baseline's and the donor's reads appear in exactly
  // one chunk.
  std::vector<ReadPoint> reads;
  // All rows that enter the first layer are unedited: a prompt's baseline, and behind it its donor where the chunk
  // needs it. Set on the first chunk of a prompt that is cut: it runs from layer 0 and the engine keeps the unedited
  // rows' residuals entering each layer, [L, T, D], and their final residuals at the read positions, until
  // `releases_baselines`.
  bool keeps_baselines = false;
  // Set on the last chunk that uses what `keeps_baselines` kept.
  bool releases_baselines = false;
};

struct Plan {
  std::vector<Chunk> chunks;
  // Sum over chunks and layers of outgoing packed tokens: the unit of admission.
  int64_t cost = 0;
  // Sum over chunks and layers of rows entering and leaving, for tests.
  int64_t rows_in = 0;
  int64_t rows_out = 0;
};

// Plans a batch. Prompts that fit whole share chunks; a prompt too large for one is cut in the trie's depth-first order
// into chunks of its own. Cutting never changes which rows are computed for a variant, only how often shared
// rows are. InvalidArgument names the argument where a position, site or size is out of range.
absl::StatusOr<Plan> MakePlan(absl::Span<const PlanPrompt> prompts, const PlanOptions& options);

// The same plan with each chunk built only when it is asked for: knows the cost and the cuts without making any index,
// which for a large sweep over long prompts would not fit in memory all at once. Keeps nothing of what `prompts` points
// to. Immutable; copies share their contents; may be used from any thread.
class Planner {
 public:
  // Errors as MakePlan's.
  static absl::StatusOr<Planner> Create(absl::Span<const PlanPrompt> prompts, const PlanOptions& options);

  int64_t n_chunks() const;
  // Plan::cost.
  int64_t cost() const;
  // What all chunks together ask of the machine; counted anew at each call, in about the time that Create takes.
  PlanWork Work() const;
  // Chunk `index` of the plan, in [0, n_chunks()); chunks of a prompt that is cut must run in order.
  Chunk Build(int64_t index) const;

 private:
  struct Impl;
  explicit Planner(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
  std::shared_ptr<const Impl> impl_;
};

}  // namespace ablate
