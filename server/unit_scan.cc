#include "server/unit_scan.h"

#include <algorithm>

#include "server/positions.h"

namespace ablate {
namespace {

// The tokens that a unit measures the prompt with: of a sequence its answer.
const std::vector<int32_t>& AnswerOf(const PreparedPrompt& prompt, const ScanUnit& unit) {
  return unit.appends_contrast ? prompt.contrast_ids : prompt.target_ids;
}

// Indices of the replacements whose edits the unit runs.
std::vector<int32_t> ReplacementsOf(const PreparedRequest& request, const ScanUnit& unit) {
  std::vector<int32_t> indices;
  for (size_t r = 0; r < request.replacements.size(); ++r) {
    if (request.replacements[r].edits_corrupted == unit.edits_corrupted) indices.push_back(static_cast<int32_t>(r));
  }
  return indices;
}

// The position sets of which each variant is edited at one; each by its ranges.
std::vector<std::vector<PositionRange>> EditRanges(const PreparedRequest& request, const ScanUnit& unit) {
  std::vector<std::vector<PositionRange>> sets;
  const PreparedPrompt& prompt = request.prompts[static_cast<size_t>(unit.prompt)];
  sets.reserve(prompt.edit_positions.size());
  for (const int32_t position : prompt.edit_positions) sets.push_back({{position, position + 1}});
  if (!sets.empty()) return sets;
  return {AsRanges(EditedPositions(request, static_cast<size_t>(unit.prompt), NumAppended(request, unit)))};
}

Edit MakeEdit(const PreparedRequest& request, const PreparedReplacement& replacement, int32_t mean_group,
              const Site& site, const PositionRange& positions) {
  Edit edit{.site = site,
            .positions = positions,
            .scale = replacement.scale,
            .entry_stride = replacement.position_stride,
            .from_donor = replacement.from_donor};
  if (replacement.first_entry >= 0) {
    edit.entry = replacement.first_entry + mean_group * replacement.group_stride +
                 (site.layer * request.shape.n_heads + site.head) * replacement.site_stride;
  }
  return edit;
}

// In the order in which DescribeVariant numbers them.
std::vector<Variant> MakeVariants(const PreparedRequest& request, const ScanUnit& unit) {
  const std::vector<int32_t> replacements = ReplacementsOf(request, unit);
  const auto range_sets = EditRanges(request, unit);
  const int32_t mean_group = request.prompts[static_cast<size_t>(unit.prompt)].mean_group;
  std::vector<Variant> variants;
  variants.reserve(replacements.size() * range_sets.size() * request.variants.size());
  for (const int32_t r : replacements) {
    for (const auto& ranges : range_sets) {
      for (const SiteSet& set : request.variants) {
        Variant& variant = variants.emplace_back();
        variant.edits.reserve(set.sites.size() * ranges.size());
        for (const Site& site : set.sites) {
          for (const PositionRange& range : ranges) {
            variant.edits.push_back(
                MakeEdit(request, request.replacements[static_cast<size_t>(r)], mean_group, site, range));
          }
        }
      }
    }
  }
  return variants;
}

void SetTokens(const PreparedRequest& request, const ScanUnit& unit, Scan& scan) {
  const PreparedPrompt& prompt = request.prompts[static_cast<size_t>(unit.prompt)];
  scan.token_ids = unit.edits_corrupted ? prompt.corrupted_ids : prompt.token_ids;
  // The other run is read beside the unit's own; of a likelihood only its values are wanted.
  const bool takes_values = std::any_of(
      request.replacements.begin(), request.replacements.end(),
      [&unit](const PreparedReplacement& r) { return r.from_donor && r.edits_corrupted == unit.edits_corrupted; });
  if (takes_values || (request.has_resample() && !unit.is_likelihood)) {
    scan.donor_token_ids = unit.edits_corrupted ? prompt.token_ids : prompt.corrupted_ids;
  }
  const std::vector<int32_t>& answer = AnswerOf(prompt, unit);
  const int32_t n_appended = NumAppended(request, unit);
  scan.token_ids.insert(scan.token_ids.end(), answer.begin(), answer.begin() + n_appended);
  if (scan.donor_token_ids.empty()) return;
  scan.donor_token_ids.insert(scan.donor_token_ids.end(), answer.begin(), answer.begin() + n_appended);
}

// At every position but the last, with the token behind it as the target.
void ReadLikelihood(Scan& scan) {
  scan.read_positions = AllPositions(static_cast<int32_t>(scan.token_ids.size()) - 1);
  for (size_t p = 1; p < scan.token_ids.size(); ++p) scan.answers.push_back({{scan.token_ids[p]}, {}});
}

// At the prompt's last position and at the appended ones, each with one of the answer's tokens as the target.
void ReadSequence(const PreparedPrompt& prompt, const ScanUnit& unit, Scan& scan) {
  auto position = static_cast<int32_t>(prompt.token_ids.size()) - 1;
  for (const int32_t id : AnswerOf(prompt, unit)) {
    scan.read_positions.push_back(position++);
    scan.answers.push_back({{id}, {}});
  }
}

void ReadSets(const PreparedPrompt& prompt, const PreparedReadout& readout, Scan& scan) {
  scan.read_positions = prompt.read_positions;
  scan.effects = readout.effects;
  scan.compensation = readout.compensation;
  if (prompt.target_ids.empty() && prompt.contrast_ids.empty()) return;
  scan.answers = {{prompt.target_ids, prompt.contrast_ids}};
  // Of one token all reductions are equal, and effects take this one only.
  const bool has_sets = std::max(prompt.target_ids.size(), prompt.contrast_ids.size()) > 1;
  if (has_sets) scan.reduction = readout.reduction;
}

}  // namespace

std::vector<ScanUnit> MakeUnits(const PreparedRequest& request) {
  std::vector<ScanUnit> units;
  for (size_t p = 0; p < request.prompts.size(); ++p) {
    // The clean run, then the corrupted one, as far as something edits them.
    const auto add_runs = [&](ScanUnit unit) {
      unit.prompt = static_cast<int32_t>(p);
      for (const bool edits_corrupted : {false, true}) {
        unit.edits_corrupted = edits_corrupted;
        // A likelihood is told of both unedited runs, also of the one that nothing edits.
        const bool is_told = unit.is_likelihood && request.has_resample();
        if (is_told || !ReplacementsOf(request, unit).empty()) units.push_back(unit);
      }
    };
    add_runs({});
    const bool has_contrast = request.readout.is_sequence && !request.prompts[p].contrast_ids.empty();
    if (has_contrast) add_runs({.appends_contrast = true});
    if (request.readout.likelihood) add_runs({.is_likelihood = true});
  }
  return units;
}

int32_t NumAppended(const PreparedRequest& request, const ScanUnit& unit) {
  if (!request.readout.is_sequence || unit.is_likelihood) return 0;
  const PreparedPrompt& prompt = request.prompts[static_cast<size_t>(unit.prompt)];
  return static_cast<int32_t>(AnswerOf(prompt, unit).size()) - 1;
}

int32_t MostAppended(const PreparedRequest& request, size_t prompt) {
  if (!request.readout.is_sequence) return 0;
  const PreparedPrompt& of = request.prompts[prompt];
  return static_cast<int32_t>(std::max(of.target_ids.size(), of.contrast_ids.size())) - 1;
}

std::vector<int32_t> EditedPositions(const PreparedRequest& request, size_t prompt, int32_t n_appended) {
  const auto n_tokens = static_cast<int32_t>(request.prompts[prompt].token_ids.size());
  // Cannot fail: it has been resolved for this very prompt when the request was prepared.
  std::vector<int32_t> edited = *ResolvePositions(request.edit_positions.positions(), n_tokens, "", "");
  if (!request.readout.edit_appended) return edited;
  for (int32_t i = 0; i < n_appended; ++i) edited.push_back(n_tokens + i);
  return edited;
}

Scan PreparedRequest::MakeScan(size_t unit) const {
  const ScanUnit& of = units[unit];
  const PreparedPrompt& prompt = prompts[static_cast<size_t>(of.prompt)];
  Scan scan;
  SetTokens(*this, of, scan);
  scan.variants = MakeVariants(*this, of);
  scan.table = table;
  if (of.is_likelihood) {
    ReadLikelihood(scan);
    return scan;
  }
  scan.top_k = readout.top_k;
  if (readout.is_sequence) {
    ReadSequence(prompt, of, scan);
  } else {
    ReadSets(prompt, readout, scan);
  }
  return scan;
}

UnitVariant PreparedRequest::DescribeVariant(size_t unit, int32_t index) const {
  const ScanUnit& of = units[unit];
  if (index < 0) {
    const bool is_clean = (index == kBaselineVariant) != of.edits_corrupted;
    return {.variant = is_clean ? kBaselineVariant : kDonorVariant};
  }
  const std::vector<int32_t>& positions = prompts[static_cast<size_t>(of.prompt)].edit_positions;
  const auto n_variants = static_cast<int32_t>(variants.size());
  const auto n_positions = std::max(1, static_cast<int32_t>(positions.size()));
  // Not ReplacementsOf: this is asked for every row.
  int32_t nth = index / (n_variants * n_positions);
  int32_t replacement = 0;
  while (replacements[static_cast<size_t>(replacement)].edits_corrupted != of.edits_corrupted || nth-- > 0) {
    ++replacement;
  }
  return {.replacement = replacement,
          .variant = index % n_variants,
          .edit_position = positions.empty() ? -1 : positions[static_cast<size_t>(index / n_variants % n_positions)]};
}

bool PreparedRequest::has_resample() const {
  return std::any_of(replacements.begin(), replacements.end(), [](const auto& r) { return r.from_donor; });
}

int64_t PreparedRequest::rows_of(size_t prompt) const {
  const PreparedPrompt& of = prompts[prompt];
  const auto n_edit_positions = std::max<int64_t>(1, static_cast<int64_t>(of.edit_positions.size()));
  const auto n_runs =
      static_cast<int64_t>(replacements.size()) * static_cast<int64_t>(variants.size()) * n_edit_positions;
  return static_cast<int64_t>(of.read_positions.size()) * (n_runs + 1 + (has_resample() ? 1 : 0));
}

int64_t PreparedRequest::total_rows() const {
  int64_t rows = 0;
  for (size_t p = 0; p < prompts.size(); ++p) rows += rows_of(p);
  return rows;
}

}  // namespace ablate
