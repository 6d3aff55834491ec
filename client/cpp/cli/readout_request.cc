// What is measured, and the statistics over prompts.
#include <cmath>

#include "client/cpp/cli/option_error.h"
#include "client/cpp/cli/positions.h"
#include "client/cpp/cli/scan_request.h"

namespace ablate::cli {
namespace {

using ablation::v1::Reduction;
using ablation::v1::TargetMode;

template <typename Enum>
struct Choice {
  const char* name;
  Enum value;
};

constexpr Choice<Reduction> kReductions[] = {{"mean_logit", ablation::v1::REDUCTION_MEAN_LOGIT},
                                             {"logsumexp", ablation::v1::REDUCTION_LOGSUMEXP},
                                             {"prob_sum", ablation::v1::REDUCTION_PROB_SUM}};
constexpr Choice<TargetMode> kTargetModes[] = {{"single", ablation::v1::TARGET_MODE_SINGLE},
                                               {"first_token", ablation::v1::TARGET_MODE_FIRST_TOKEN},
                                               {"sequence", ablation::v1::TARGET_MODE_SEQUENCE}};

// `-` is as good as `_`.
template <typename Enum, size_t n>
absl::StatusOr<Enum> Choose(const char* option, std::string text, const Choice<Enum> (&choices)[n]) {
  std::string known;
  for (char& c : text) c = c == '-' ? '_' : c;
  for (const auto& choice : choices) {
    if (text == choice.name) return choice.value;
    absl::StrAppend(&known, known.empty() ? "" : ", ", choice.name);
  }
  return OptionError(option, " `", text, "`: expected one of ", known);
}

absl::Status SetRead(const std::string& text, ablation::v1::Readout* readout) {
  if (text.empty() || text == "last") return absl::OkStatus();
  const auto positions = ParsePositions("--read", text);
  if (!positions.ok()) return positions.status();
  if (*positions) {
    *readout->mutable_positions() = **positions;
  } else {
    readout->set_all_positions(true);
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status SetReadout(const ReadoutOptions& options, Reduction by_layout, ablation::v1::AblateRequest* request) {
  auto* readout = request->mutable_readout();
  readout->set_top_k(options.top_k);
  if (auto status = SetRead(options.read, readout); !status.ok()) return status;
  readout->set_reduction(by_layout);
  if (!options.reduction.empty()) {
    const auto reduction = Choose("--reduction", options.reduction, kReductions);
    if (!reduction.ok()) return reduction.status();
    if (by_layout != ablation::v1::REDUCTION_UNSPECIFIED && by_layout != *reduction) {
      return OptionError("--reduction ", options.reduction,
                         ": years (the column `label`) are scored by the sum of their probabilities; drop it, or name "
                         "the answers in columns `targets` and `contrasts`");
    }
    readout->set_reduction(*reduction);
  }
  if (!options.target_mode.empty()) {
    const auto mode = Choose("--target-mode", options.target_mode, kTargetModes);
    if (!mode.ok()) return mode.status();
    readout->set_target_mode(*mode);
  }
  const bool is_sequence = readout->target_mode() == ablation::v1::TARGET_MODE_SEQUENCE;
  auto status = CheckDependents({{options.edit_appended, "--edit-appended", is_sequence, "--target-mode sequence"}});
  if (!status.ok()) return status;
  if (is_sequence && !options.read.empty() && options.read != "last") {
    return OptionError("--read ", options.read,
                       ": --target-mode sequence reads at the last position only; drop --read");
  }
  readout->set_edit_appended(options.edit_appended);
  readout->set_likelihood(options.likelihood);
  readout->set_effects(options.effects);
  readout->set_compensation(options.compensation);
  if (options.min_denominator) {
    if (!std::isfinite(*options.min_denominator) || *options.min_denominator < 0) {
      return OptionError("--min-denominator ", *options.min_denominator, ": expected a finite number >= 0");
    }
    readout->set_min_denominator(*options.min_denominator);
  }
  return absl::OkStatus();
}

absl::Status SetSummary(const SummaryOptions& options, std::optional<uint64_t> seed,
                        ablation::v1::AblateRequest* request) {
  auto status = CheckDependents({
      {options.split, "--split", options.summary, "--summary"},
      {options.min_effect.has_value(), "--min-effect", options.summary, "--summary"},
      {options.sign_flips.has_value(), "--sign-flips", options.summary, "--summary"},
      {options.bootstrap.has_value(), "--bootstrap", options.summary, "--summary"},
  });
  if (!status.ok() || !options.summary) return status;
  if (options.min_effect && (!std::isfinite(*options.min_effect) || *options.min_effect < 0)) {
    return OptionError("--min-effect ", *options.min_effect, ": expected a finite number >= 0");
  }
  auto* summary = request->mutable_summary();
  summary->set_bootstrap_resamples(options.bootstrap.value_or(0));
  summary->set_sign_flips(options.sign_flips.value_or(0));
  summary->set_seed(seed.value_or(0));
  summary->set_min_effect(options.min_effect.value_or(0));
  summary->set_split(options.split);
  return absl::OkStatus();
}

}  // namespace ablate::cli
