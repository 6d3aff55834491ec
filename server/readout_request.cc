#include "server/readout_request.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "absl/strings/str_cat.h"
#include "engine/types.h"
#include "server/errors.h"

namespace ablate {
namespace {

namespace pb = ::ablation::v1;

absl::Status CheckTopK(int32_t top_k, int32_t vocab_size) {
  if (top_k < 0 || top_k > kMaxTopK) {
    return BadField("readout.top_k", "TOP_K_OUT_OF_RANGE", absl::StrCat("got ", top_k, ", expected 0 .. ", kMaxTopK));
  }
  if (top_k <= vocab_size) return absl::OkStatus();
  return BadField("readout.top_k", "TOP_K_OUT_OF_RANGE",
                  absl::StrCat("got ", top_k, ", expected at most the vocabulary's ", vocab_size, " tokens"));
}

absl::Status CheckEnums(const pb::Readout& readout) {
  if (!pb::Reduction_IsValid(readout.reduction())) {
    return BadField("readout.reduction", "UNKNOWN_VALUE",
                    absl::StrCat("got number ", static_cast<int>(readout.reduction()),
                                 ", which is not known to this server, expected 0 .. ", pb::Reduction_MAX));
  }
  if (!pb::TargetMode_IsValid(readout.target_mode())) {
    return BadField("readout.target_mode", "UNKNOWN_VALUE",
                    absl::StrCat("got number ", static_cast<int>(readout.target_mode()),
                                 ", which is not known to this server, expected 0 .. ", pb::TargetMode_MAX));
  }
  return absl::OkStatus();
}

// Where a sequence may be read: the last position, said so or not at all.
bool ReadsLastOnly(const pb::Readout& readout) {
  if (readout.all_positions() || !readout.positions().ranges().empty()) return false;
  const auto& positions = readout.positions().positions();
  return positions.empty() || (positions.size() == 1 && positions[0] == -1);
}

absl::Status CheckSequence(const pb::AblateRequest& request) {
  const pb::Readout& readout = request.readout();
  if (TargetModeOf(request) != pb::TARGET_MODE_SEQUENCE) {
    if (!readout.edit_appended()) return absl::OkStatus();
    return BadField("readout.edit_appended", "NOTHING_APPENDED",
                    "set, expected with TARGET_MODE_SEQUENCE only: nothing is appended to the prompts");
  }
  if (!ReadsLastOnly(readout)) {
    return BadField(readout.all_positions() ? "readout.all_positions" : "readout.positions", "SEQUENCE_READS_LAST",
                    "other positions than the last (-1) are read, expected that one only under TARGET_MODE_SEQUENCE");
  }
  if (readout.effects() || readout.compensation()) {
    return BadField(readout.effects() ? "readout.effects" : "readout.compensation", "EFFECTS_OF_SEQUENCE",
                    "set, expected without TARGET_MODE_SEQUENCE: effects are linear in logits at one position");
  }
  if (readout.edit_appended() && request.edit_positions().each()) {
    return BadField("readout.edit_appended", "APPENDED_AND_EACH",
                    "set, expected without `edit_positions.each`, which edits one position at a time");
  }
  return absl::OkStatus();
}

absl::Status CheckCount(const std::string& field, int32_t count, int32_t least, int32_t most) {
  if (count == 0 || (count >= least && count <= most)) return absl::OkStatus();
  return BadField(field, "COUNT_OUT_OF_RANGE",
                  absl::StrCat("got ", count, ", expected ", least, " .. ", most, ", or 0 for the default"));
}

absl::Status CheckNotNegative(const std::string& field, double value) {
  if (std::isfinite(value) && value >= 0) return absl::OkStatus();
  return BadField(field, "NUMBER_OUT_OF_RANGE", absl::StrCat("got ", value, ", expected a finite number >= 0"));
}

// `needed_by` is the field that asks for it.
absl::Status CheckAnswers(const std::string& needed_by, bool needs_contrasts,
                          absl::Span<const PreparedPrompt> prompts) {
  for (size_t i = 0; i < prompts.size(); ++i) {
    const bool has_targets = !prompts[i].target_ids.empty();
    if (has_targets && (!needs_contrasts || !prompts[i].contrast_ids.empty())) continue;
    return BadField(needed_by, "ANSWERS_MISSING",
                    absl::StrCat("prompts[", i, "] has no ", has_targets ? "contrasts" : "targets",
                                 ", expected some in every prompt"));
  }
  return absl::OkStatus();
}

// Prompts are summarised at the same read positions (by index) and edit positions (from the end where lengths differ).
absl::Status CheckAlike(absl::Span<const PreparedPrompt> prompts) {
  const PreparedPrompt& first = prompts.front();
  const auto first_end = static_cast<int32_t>(first.token_ids.size());
  for (size_t i = 1; i < prompts.size(); ++i) {
    const PreparedPrompt& prompt = prompts[i];
    if (prompt.read_positions.size() != first.read_positions.size()) {
      return BadField("summary", "PROMPTS_DIFFER",
                      absl::StrCat("prompts[", i, "] is read at ", prompt.read_positions.size(),
                                   " positions, expected as many as prompts[0]'s ", first.read_positions.size()));
    }
    const int32_t shift = static_cast<int32_t>(prompt.token_ids.size()) - first_end;
    const bool alike =
        std::equal(prompt.edit_positions.begin(), prompt.edit_positions.end(), first.edit_positions.begin(),
                   first.edit_positions.end(), [shift](int32_t a, int32_t b) { return a == b + shift; });
    if (!alike) {
      return BadField("summary", "PROMPTS_DIFFER",
                      absl::StrCat("prompts[", i, "] (", prompt.token_ids.size(),
                                   " tokens) sweeps over other edit positions than prompts[0] (", first_end,
                                   " tokens), expected the same, counted from the end"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

pb::TargetMode TargetModeOf(const pb::AblateRequest& request) {
  const pb::TargetMode mode = request.readout().target_mode();
  return mode == pb::TARGET_MODE_UNSPECIFIED ? pb::TARGET_MODE_SINGLE : mode;
}

absl::StatusOr<PreparedReadout> CheckReadout(const pb::AblateRequest& request, const EngineInfo& info) {
  const pb::Readout& readout = request.readout();
  if (absl::Status status = CheckTopK(readout.top_k(), info.vocab_size); !status.ok()) return status;
  if (absl::Status status = CheckEnums(readout); !status.ok()) return status;
  if (absl::Status status = CheckSequence(request); !status.ok()) return status;
  PreparedReadout prepared;
  prepared.top_k = readout.top_k();
  if (readout.reduction() == pb::REDUCTION_LOGSUMEXP || readout.reduction() == pb::REDUCTION_PROB_SUM) {
    prepared.reduction = Reduction::kLogSumExp;
  }
  prepared.is_sequence = TargetModeOf(request) == pb::TARGET_MODE_SEQUENCE;
  prepared.edit_appended = readout.edit_appended();
  prepared.likelihood = readout.likelihood();
  prepared.compensation = readout.compensation();
  prepared.effects = readout.effects() || readout.compensation();
  if (readout.has_min_denominator()) prepared.min_denominator = readout.min_denominator();
  if (absl::Status status = CheckNotNegative("readout.min_denominator", prepared.min_denominator); !status.ok()) {
    return status;
  }
  return prepared;
}

absl::Status CheckSummary(const pb::AblateRequest& request) {
  if (!request.has_summary()) return absl::OkStatus();
  const pb::SummaryOptions& summary = request.summary();
  if (absl::Status status = CheckCount("summary.bootstrap_resamples", summary.bootstrap_resamples(), 100, 100'000);
      !status.ok()) {
    return status;
  }
  if (absl::Status status = CheckCount("summary.sign_flips", summary.sign_flips(), 10'000, 1'000'000); !status.ok()) {
    return status;
  }
  if (absl::Status status = CheckNotNegative("summary.min_effect", summary.min_effect()); !status.ok()) return status;
  if (!summary.split() || NeedsOrder(request)) return absl::OkStatus();
  return BadField("summary.split", "NOTHING_TO_CHOOSE",
                  "set, expected only where a `heads` sweep runs first to choose sites (`sweep.pairs.strongest`, or "
                  "`sweep.cumulative` without an order)");
}

PrimaryMetric PrimaryMetricOf(const pb::AblateRequest& request, absl::Span<const PreparedPrompt> prompts) {
  const auto all = [prompts](auto has) { return std::all_of(prompts.begin(), prompts.end(), has); };
  if (!all([](const PreparedPrompt& p) { return !p.target_ids.empty(); })) return PrimaryMetric::kNone;
  if (!all([](const PreparedPrompt& p) { return !p.contrast_ids.empty(); })) return PrimaryMetric::kTargetLogprob;
  return request.readout().reduction() == pb::REDUCTION_PROB_SUM ? PrimaryMetric::kProbDiff : PrimaryMetric::kLogitDiff;
}

absl::Status CheckPromptsTogether(const pb::AblateRequest& request, const PreparedRequest& prepared) {
  const auto& prompts = prepared.prompts;
  if (prepared.readout.effects) {
    const char* field = request.readout().compensation() ? "readout.compensation" : "readout.effects";
    if (absl::Status status = CheckAnswers(field, true, prompts); !status.ok()) return status;
    for (size_t i = 0; i < prompts.size() && prepared.readout.reduction != Reduction::kMeanLogit; ++i) {
      const size_t n_answers = std::max(prompts[i].target_ids.size(), prompts[i].contrast_ids.size());
      if (n_answers == 1) continue;
      return BadField("readout.reduction", "EFFECTS_NOT_LINEAR",
                      absl::StrCat("prompts[", i, "] has a set of ", n_answers,
                                   " answers, expected REDUCTION_MEAN_LOGIT where `effects` are asked for"));
    }
  }
  if (NeedsOrder(request)) {
    const char* field = request.sweep().has_pairs() ? "sweep.pairs.strongest" : "sweep.cumulative.order";
    if (absl::Status status = CheckAnswers(field, false, prompts); !status.ok()) return status;
  }
  if (!request.has_summary()) return absl::OkStatus();
  if (absl::Status status = CheckAnswers("summary", false, prompts); !status.ok()) return status;
  return CheckAlike(prompts);
}

}  // namespace ablate
