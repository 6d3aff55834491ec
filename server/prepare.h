// From the wire to scans: an AblateRequest checked, tokenised, swept and priced. Nothing here touches a device.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ablation/v1/scan.pb.h"
#include "absl/status/statusor.h"
#include "engine/engine.h"
#include "engine/plan/sweep.h"

namespace ablate {

class MeanStore;

// The most that one request may ask for, whenever it is sent.
struct RequestLimits {
  // Packed tokens x layers, with the readouts (server/price.h).
  int64_t cost = 1'000'000'000;
  // Tokens of all prompts or texts together. With 144 heads swept, a million of GPT-2 Small's cost as much as the
  // above.
  int64_t tokens = 1'000'000;
};

// One prompt of a request, without the variants that all of them share.
struct PreparedPrompt {
  // [T]
  std::vector<int32_t> token_ids;
  // [T], the pair's other prompt; empty: none.
  std::vector<int32_t> corrupted_ids;
  // Of a sequence: its tokens in order. Elsewhere an answer set.
  std::vector<int32_t> target_ids;
  std::vector<int32_t> contrast_ids;
  // Rising.
  std::vector<int32_t> read_positions;
  // Where positions are swept over: each is edited alone. Empty elsewhere.
  std::vector<int32_t> edit_positions;
  std::string template_name;
  // Index of its template among the request's: which of a grouped library's means it gets.
  int32_t mean_group = 0;
};

// How an edited site gets its value, as Edit has it: z' = scale * z + table[...].
struct PreparedReplacement {
  float scale = 0.0F;
  bool from_donor = false;
  // The corrupted run is edited (denoising).
  bool edits_corrupted = false;
  // Entry of the site L, H at position p for a prompt of mean group g:
  //   first_entry + g * group_stride + (L * n_heads + H) * site_stride + p * position_stride; -1: none.
  int32_t first_entry = -1;
  int32_t group_stride = 0;
  int32_t site_stride = 0;
  int32_t position_stride = 0;
};

// The metric that summaries, interactions and normalised values are about.
enum class PrimaryMetric { kLogitDiff, kProbDiff, kTargetLogprob, kNone };

// What is measured, with the defaults filled in.
struct PreparedReadout {
  int32_t top_k = 0;
  Reduction reduction = Reduction::kMeanLogit;
  bool is_sequence = false;
  bool edit_appended = false;
  bool likelihood = false;
  bool effects = false;
  bool compensation = false;
  double min_denominator = 0.1;
  PrimaryMetric primary = PrimaryMetric::kNone;
};

// One scan of a prompt. Most prompts have one; denoising edits another run, a sequence is appended to the prompt, so
// that the target's and the contrast's are scans of their own, and so is the prompt's likelihood. Where a replacement
// is `resample`, every unit that gives rows has the pair's other run as its donor.
struct ScanUnit {
  int32_t prompt = 0;
  // The unedited run is the corrupted one, and the replacements are those with `edits_corrupted`.
  bool edits_corrupted = false;
  // Under `is_sequence`: the contrast's tokens are appended, not the target's.
  bool appends_contrast = false;
  // Reads how likely its own prompt is (the corrupted one under `edits_corrupted`), and gives no rows: at the positions
  // 0 .. T - 2, with the next token as target. A donor's reads mean nothing: those tokens are not its own; so both runs
  // of a pair have such a unit where a replacement is `resample`, one without variants where nothing edits it.
  bool is_likelihood = false;
  // Packed tokens x layers, with its readouts.
  int64_t cost = 0;
};

// What one of a scan's variants is.
struct UnitVariant {
  int32_t replacement = -1;
  int32_t variant = kBaselineVariant;
  // -1 where positions are not swept over.
  int32_t edit_position = -1;
};

// What a sweep will take that is prepared when this one has found its order.
struct FollowUp {
  // What the request is accepted at: no order makes more of it, but for some percent where a prompt is cut into chunks.
  int64_t cost = 0;
  // Of its summary; 0 where none is asked for.
  int64_t delta_values = 0;
  // Of all prompts (server/row_blocks.h).
  int64_t result_bytes = 0;
};

struct PreparedRequest {
  ModelShape shape;
  std::vector<PreparedPrompt> prompts;
  // In the order of the prompts; of one prompt the target's, the contrast's, the likelihood's, of each the clean run's
  // before the corrupted one's.
  std::vector<ScanUnit> units;
  // Without the baseline; shared by all prompts.
  std::vector<SiteSet> variants;
  // At least one.
  std::vector<PreparedReplacement> replacements;
  // The replacements' entries; null where none has one.
  std::shared_ptr<const EditTable> table;
  // Where edits apply, as the request has it; resolved for a prompt's length.
  ablation::v1::EditPositions edit_positions;
  PreparedReadout readout;
  bool prepend_bos = false;
  int64_t cost = 0;
  // Where the request's sweep needs an order and this is the one that finds it.
  FollowUp follow_up;

  // The scan of a unit. Made when its turn comes: the variants of 100,000 prompts would fill the memory.
  Scan MakeScan(size_t unit) const;
  // What variant `index` of MakeScan(unit) is; unedited runs are theirs under the contract's numbers: the corrupted run
  // is kDonorVariant, whether it is the unit's donor or its own.
  UnitVariant DescribeVariant(size_t unit, int32_t index) const;
  // Whether a replacement is `resample`.
  bool has_resample() const;
  // Rows of a prompt on the wire (scan.proto, RowBlock).
  int64_t rows_of(size_t prompt) const;
  int64_t total_rows() const;
};

// What Prepare needs beside the request.
struct PrepareContext {
  const Engine* engine = nullptr;
  RequestLimits limits;
  // Null where the server keeps no libraries.
  const MeanStore* means = nullptr;
  // Asked before each prompt, since 100,000 of them take seconds: its error ends the work and is returned.
  std::function<absl::Status()> go_on;
};

// Checks everything before any work is done. INVALID_ARGUMENT names the field; FAILED_PRECONDITION where a mean library
// does not fit; RESOURCE_EXHAUSTED where the request exceeds the limits. Thread-safe.
//
// A sweep that a `heads` sweep must order first (`strongest`, an empty cumulative order) is prepared as that `heads`
// sweep where `order` is empty, and as itself where `order` holds its outcome, the strongest site first. The former is
// checked in full and with what follows it (FollowUp), but runs no more than the order needs: the first replacement,
// read at the last read position, at all edit positions together, without effects, likelihood and top-k. The latter is
// never too costly.
absl::StatusOr<PreparedRequest> Prepare(const ablation::v1::AblateRequest& request, const PrepareContext& context,
                                        absl::Span<const Site> order = {});

// Whether the request's sweep needs an order first.
bool NeedsOrder(const ablation::v1::AblateRequest& request);

// The order for which the sweep that follows costs FollowUp::cost. `first` is the `heads` sweep that goes before it.
std::vector<Site> DearestOrder(const ablation::v1::AblateRequest& request, const PreparedRequest& first);

}  // namespace ablate
