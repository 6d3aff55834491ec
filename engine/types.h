// Values that pass between the engine and its callers. No torch header.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/plan/site.h"

namespace ablate {

// kBf16: matrices and what is multiplied with them are rounded to bfloat16, products summed in float32; all else is
// float32. kTf32, on a GPU: the same with TF32's 10 bits of fraction, as the tensor cores read them.
enum class Precision { kFloat32, kFloat64, kTf32, kBf16 };
// All of them: from the one that is the reference to the coarsest, and the oracle.
inline constexpr std::array kPrecisions = {Precision::kFloat32, Precision::kTf32, Precision::kBf16,
                                           Precision::kFloat64};

std::string_view Name(Precision precision);  // `float32`
absl::StatusOr<Precision> ParsePrecision(std::string_view text);
// Bytes of an element: of what a forward pass computes, and of a matrix that it multiplies with.
int64_t ActivationBytes(Precision precision);
int64_t WeightBytes(Precision precision);

// Largest Scan::top_k.
inline constexpr int32_t kMaxTopK = 100;

// What edits put in: rows that Edit::entry names. Scans that share a table share its copy on the device.
struct EditTable {
  int32_t d_head = 0;
  // [E, Dh], finite; rounded to the engine's precision.
  std::vector<double> values;

  int64_t n_entries() const { return d_head == 0 ? 0 : static_cast<int64_t>(values.size()) / d_head; }
};

// How the tokens of an answer set make one number; the contract's Reduction. With one token both are equal.
enum class Reduction { kMeanLogit, kLogSumExp };

// What is measured at a read position. Token ids in [0, V), each once; empty: none, and then the columns that need it
// stay empty.
struct Answers {
  std::vector<int32_t> targets;
  std::vector<int32_t> contrasts;
};

// The outputs of all heads of a scan's unedited run, before `c_proj`: z [L, T, H, Dh] in the engine's precision,
// widened.
using HeadOutputs = std::vector<double>;

// One prompt under one list of variants, with what is measured.
struct Scan {
  // [T], each in [0, V), 1 <= T <= n_positions.
  std::vector<int32_t> token_ids;
  // [T]: another prompt, whose unedited run Edit::from_donor takes values from, and which is read out as kDonorVariant.
  // Empty: none.
  std::vector<int32_t> donor_token_ids;
  // Without the baseline, which always runs.
  std::vector<Variant> variants;
  // What the variants' entries name; null where none has one.
  std::shared_ptr<const EditTable> table;
  // Sorted, distinct, each in [0, T); at least one.
  std::vector<int32_t> read_positions;
  // One for all read positions, or one for each; either all or none have targets, and likewise contrasts. Empty:
  // nothing.
  std::vector<Answers> answers;
  Reduction reduction = Reduction::kMeanLogit;
  // 0 .. kMaxTopK.
  int32_t top_k = 0;
  // Also measure effects: every answer has targets and contrasts, and the reduction is kMeanLogit.
  bool effects = false;
  // Also measure what the rest of the model does about an edit; needs `effects`.
  bool compensation = false;
  // Takes z of the unedited run, once, in the thread in Run, in the order of Run's scans and before this scan's
  // baseline is handed out. An error ends the Run. May be empty.
  std::function<absl::Status(const HeadOutputs& z)> on_head_outputs;
  // Polled between chunks, from the thread in Run; true drops the rest of this scan, and rows that wait. May be
  // empty.
  std::function<bool()> cancelled;
  // Of a Run's first scan: called between chunks, from the thread in Run, once all rows of those before are handed out.
  // May Run others on the engine. May be empty.
  std::function<void()> between_chunks;
  // Asked before that: false leaves it out, and rows that a GPU still computes where they are. Empty: always true.
  std::function<bool()> others_wait;

  // Those of the read position `read_positions[index]`.
  const Answers& AnswersAt(size_t index) const {
    static const Answers kNothing;
    return answers.empty() ? kNothing : answers[answers.size() == 1 ? 0 : index];
  }
};

// Readouts of some rows of one scan, one entry a row in each column that is present (docs/design.md, "What is
// measured"). Values are float32 widened, or float64 in that precision. "Baseline" is the scan's own unedited run, for
// the donor's row too.
struct ReadoutBlock {
  // Index into Run's scans.
  int32_t scan = 0;
  // Index into Scan::variants, kBaselineVariant or kDonorVariant.
  std::vector<int32_t> variant;
  std::vector<int32_t> position;
  std::vector<double> target_logit, contrast_logit, logit_diff;
  std::vector<double> target_logprob, contrast_logprob;
  std::vector<double> target_prob, prob_diff;
  std::vector<double> delta_target_logit, delta_contrast_logit, delta_logit_diff;
  std::vector<double> delta_target_logprob, delta_contrast_logprob;
  std::vector<double> delta_target_prob, delta_prob_diff;
  // Of a set: its best token's.
  std::vector<int32_t> target_rank;
  std::vector<uint8_t> target_is_top1;
  std::vector<int32_t> top1_id;
  std::vector<uint8_t> top1_preserved;
  std::vector<double> kl_divergence, entropy;
  // KL(donor || row), nats; present where the scan has a donor.
  std::vector<double> kl_from_donor;
  // [rows * top_k], falling.
  std::vector<int32_t> top_k_id;
  std::vector<double> top_k_logprob;
  // Under Scan::effects; 0 in the rows of unedited runs.
  std::vector<double> direct_contribution, direct_effect, direct_effect_live;
  // Under Scan::compensation: [rows * L * H], [rows * L], [rows].
  std::vector<double> compensation_heads, compensation_mlps, compensation_layer_norm;
};

}  // namespace ablate
