#include "server/summary.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "server/row_blocks.h"
#include "server/stats/summary.h"
#include "server/unit_scan.h"
#include "server/wire_rows.h"

namespace ablate {
namespace {

namespace pb = ::ablation::v1;

// Rows of [P, width] that belong to `prompts`.
template <typename Value>
std::vector<Value> RowsOf(absl::Span<const Value> values, size_t width, absl::Span<const int32_t> prompts) {
  std::vector<Value> rows;
  rows.reserve(prompts.size() * width);
  for (const int32_t prompt : prompts) {
    const auto row = values.subspan(static_cast<size_t>(prompt) * width, width);
    rows.insert(rows.end(), row.begin(), row.end());
  }
  return rows;
}

// What the entries' ratios are made of.
std::vector<stats::EntryRatios> RatiosOf(const DeltaTable& deltas, bool keeps_sets) {
  const PreparedRequest& prepared = deltas.prepared();
  std::vector<stats::EntryRatios> ratios(deltas.n_entries());
  for (size_t e = 0; e < ratios.size(); ++e) {
    DeltaTable::Entry entry = deltas.EntryAt(e);
    if (prepared.has_resample()) {
      ratios[e].gap = static_cast<int32_t>(entry.read);
      ratios[e].edits_corrupted = prepared.replacements[static_cast<size_t>(entry.replacement)].edits_corrupted;
    }
    // The first variant keeps nothing.
    entry.variant = 0;
    if (keeps_sets) ratios[e].none_kept = static_cast<int32_t>(deltas.IndexOf(entry));
  }
  return ratios;
}

// [P, reads]
std::vector<double> GapsOf(const DeltaTable& deltas, absl::Span<const int32_t> prompts) {
  std::vector<double> gaps;
  if (!deltas.prepared().has_resample()) return gaps;
  for (const int32_t prompt : prompts) {
    for (size_t read = 0; read < deltas.n_reads(); ++read) {
      gaps.push_back(deltas.clean_minus_corrupted(static_cast<size_t>(prompt), read));
    }
  }
  return gaps;
}

// By index, where positions are swept over: counted from the end where the prompts differ in length.
std::vector<int32_t> EditPositionsOf(const PreparedRequest& prepared) {
  const auto& prompts = prepared.prompts;
  const bool are_of_one_length = std::all_of(prompts.begin(), prompts.end(), [&prompts](const PreparedPrompt& p) {
    return p.token_ids.size() == prompts[0].token_ids.size();
  });
  std::vector<int32_t> positions = prompts[0].edit_positions;
  if (are_of_one_length) return positions;
  for (int32_t& position : positions) position -= static_cast<int32_t>(prompts[0].token_ids.size());
  return positions;
}

// Of the longest prompt: no column's floor falls with length. Floors are measured at single positions; what is made of
// a sequence's n log-probs (their sum, two sums' difference, or a sum's exp, which changes by less) is off by n of
// theirs at most.
double FloorFor(const DeltaTable& deltas, const SummaryRequest& request) {
  const PreparedRequest& prepared = deltas.prepared();
  const bool has_contrasts = prepared.readout.primary != PrimaryMetric::kTargetLogprob;
  size_t longest = 0, most_summed = 0;
  for (size_t p = 0; p < prepared.prompts.size(); ++p) {
    const PreparedPrompt& prompt = prepared.prompts[p];
    longest = std::max(longest, prompt.token_ids.size() + static_cast<size_t>(MostAppended(prepared, p)));
    most_summed = std::max(most_summed, prompt.target_ids.size() + (has_contrasts ? prompt.contrast_ids.size() : 0));
  }
  const auto floor_of = [&](const std::string& column) {
    return FloorOf(request.floors, column, static_cast<int32_t>(longest)).value_or(0);
  };
  if (prepared.readout.is_sequence) return static_cast<double>(most_summed) * floor_of("delta_target_logprob");
  return floor_of(absl::StrCat("delta_", PrimaryName(prepared.readout.primary)));
}

pb::SummaryHead MakeHead(const stats::SummaryTable& table, absl::Span<const PreparedReplacement> replacements,
                         uint64_t seed) {
  pb::SummaryHead head;
  head.set_n_clusters(table.n_clusters);
  head.set_n_prompts(table.n_prompts);
  head.set_assumes_iid(table.assumes_iid);
  head.set_bootstrap_resamples(table.bootstrap_resamples);
  head.set_sign_flips(table.sign_flips);
  head.set_seed(seed);
  for (const stats::RankAgreement& agreement : table.rank_agreement) {
    pb::RankAgreement& to = *head.add_rank_agreement();
    to.set_first(agreement.first);
    to.set_second(agreement.second);
    // What lowers the metric under noising raises it under denoising: the order is compared, not the sign.
    const bool is_across = replacements[static_cast<size_t>(agreement.first)].edits_corrupted !=
                           replacements[static_cast<size_t>(agreement.second)].edits_corrupted;
    to.set_spearman(is_across ? -agreement.spearman : agreement.spearman);
  }
  return head;
}

// One entry's line.
struct Line {
  DeltaTable::Entry entry;
  std::optional<int32_t> edit_position;
  double floor = 0;
  bool selected_in_sample = false;
};

void AddLine(const stats::SummaryTable& table, size_t e, const Line& line, pb::SummaryBlock& to) {
  to.add_replacement(line.entry.replacement);
  to.add_variant(line.entry.variant);
  if (line.edit_position.has_value()) to.add_edit_position(*line.edit_position);
  to.add_read_index(static_cast<int32_t>(line.entry.read));
  to.add_mean(table.mean[e]);
  to.add_std(table.std[e]);
  to.add_sem(table.sem[e]);
  to.add_ci_low(table.ci_low[e]);
  to.add_ci_high(table.ci_high[e]);
  to.add_sign_share(table.sign_share[e]);
  to.add_top1_share(table.top1_share[e]);
  to.add_p_fwer(table.p_fwer[e]);
  to.add_q_bh(table.q_bh[e]);
  to.add_q_by(table.q_by[e]);
  to.add_below_floor(std::abs(table.mean[e]) < line.floor);
  to.add_selected_in_sample(line.selected_in_sample);
  to.add_normalized(table.normalized[e]);
  to.add_faithfulness(table.faithfulness[e]);
}

std::vector<pb::AblateResponse> MakeMessages(const DeltaTable& deltas, const SummaryRequest& request,
                                             const stats::SummaryTable& table) {
  // Four columns of at most ten bytes, twelve of eight and two flags.
  constexpr size_t kBytesPerLine = 160, kLines = kBlockBytes / kBytesPerLine;
  std::vector<pb::AblateResponse> messages(1);
  *messages[0].mutable_summary_head() = MakeHead(table, deltas.prepared().replacements, request.options.seed());
  const std::vector<int32_t> edit_positions = EditPositionsOf(deltas.prepared());
  Line line;
  line.floor = FloorFor(deltas, request);
  line.selected_in_sample = request.selected_in_sample;
  for (size_t e = 0; e < deltas.n_entries(); ++e) {
    if (e % kLines == 0) messages.emplace_back();
    line.entry = deltas.EntryAt(e);
    if (!edit_positions.empty()) line.edit_position = edit_positions[line.entry.edit];
    AddLine(table, e, line, *messages.back().mutable_summary_block());
  }
  return messages;
}

}  // namespace

SummaryRequest SummaryOf(const pb::AblateRequest& request, const std::optional<PromptSplit>& split,
                         const std::vector<NumericFloor>& floors) {
  return {
      .options = request.summary(),
      .estimates = (split.has_value() ? *split : WithoutSplit(static_cast<size_t>(request.prompts_size()))).estimates,
      .selected_in_sample = split.has_value() && !request.summary().split(),
      .is_over_pairs = request.sweep().has_pairs(),
      .keeps_sets = request.sweep().has_all_but(),
      .floors = floors};
}

absl::StatusOr<std::vector<pb::AblateResponse>> MakeSummary(const DeltaTable& deltas, const SummaryRequest& request,
                                                            const std::function<absl::Status()>& go_on) {
  const PreparedRequest& prepared = deltas.prepared();
  const size_t n_entries = deltas.n_entries();
  std::vector<std::string> templates;
  templates.reserve(request.estimates.size());
  for (const int32_t p : request.estimates) templates.push_back(prepared.prompts[static_cast<size_t>(p)].template_name);
  const bool all = request.estimates.size() == deltas.n_prompts();
  // Copied only where some are left out.
  const std::vector<double> some = all ? std::vector<double>() : RowsOf(deltas.deltas(), n_entries, request.estimates);
  const std::vector<uint8_t> some_top1 =
      all ? std::vector<uint8_t>() : RowsOf(deltas.top1(), n_entries, request.estimates);
  const std::vector<double> gaps = GapsOf(deltas, request.estimates);
  const std::vector<stats::EntryRatios> ratios = RatiosOf(deltas, request.keeps_sets);

  stats::SummaryInput input;
  input.templates = templates;
  input.n_entries = static_cast<int32_t>(n_entries);
  input.n_families = static_cast<int32_t>(prepared.replacements.size());
  input.delta = all ? deltas.deltas() : absl::MakeConstSpan(some);
  input.top1_preserved = all ? deltas.top1() : absl::MakeConstSpan(some_top1);
  input.gap = gaps;
  input.ratios = ratios;
  const pb::SummaryOptions& asked = request.options;
  stats::SummaryOptions options;
  if (asked.bootstrap_resamples() > 0) options.bootstrap_resamples = asked.bootstrap_resamples();
  if (asked.sign_flips() > 0) options.sign_flips = asked.sign_flips();
  options.seed = asked.seed();
  options.min_effect = asked.min_effect();
  options.min_denominator = prepared.readout.min_denominator;
  options.test = request.is_over_pairs ? stats::Test::kT : stats::Test::kSignFlips;
  options.go_on = go_on;
  const auto table = stats::Summarize(input, options);
  if (!table.ok()) {
    if (!absl::IsInvalidArgument(table.status())) return table.status();
    return absl::InternalError(absl::StrCat("the summary failed: ", table.status().message()));
  }
  return MakeMessages(deltas, request, *table);
}

}  // namespace ablate
