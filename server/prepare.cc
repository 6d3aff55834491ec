#include "server/prepare.h"

#include <algorithm>
#include <string>
#include <utility>

#include "server/delta_table.h"
#include "server/errors.h"
#include "server/mean_replacement.h"
#include "server/positions.h"
#include "server/price.h"
#include "server/prompt_request.h"
#include "server/readout_request.h"
#include "server/replacements.h"
#include "server/request_fields.h"
#include "server/result_limits.h"
#include "server/row_blocks.h"
#include "server/sweep_request.h"
#include "server/unit_scan.h"
#include "server/unknown_fields.h"

namespace ablate {
namespace {

namespace pb = ::ablation::v1;
using Libraries = std::vector<std::shared_ptr<const MeanLibrary>>;

absl::Status GoOn(const PrepareContext& context) {
  return context.go_on ? context.go_on() : absl::OkStatus();
}

// All that can be said of a request without its prompts' tokens.
absl::Status CheckRequest(const pb::AblateRequest& request, const EngineInfo& info) {
  if (absl::Status status = RefuseUnknownFields(request); !status.ok()) return status;
  if (absl::Status status = CheckPromptCount(request.prompts_size()); !status.ok()) return status;
  if (absl::Status status = CheckReplacements(request, info); !status.ok()) return status;
  return CheckSummary(request);
}

// A sequence's answers are computed beside the prompt's tokens, and so is the other one of a pair.
int64_t NumTokens(const PreparedPrompt& prompt, bool is_sequence) {
  const size_t appended = is_sequence ? prompt.target_ids.size() + prompt.contrast_ids.size() : 0;
  return static_cast<int64_t>(prompt.token_ids.size() + prompt.corrupted_ids.size() + appended);
}

int64_t NumSites(absl::Span<const SiteSet> sets) {
  int64_t n_sites = 0;
  for (const SiteSet& set : sets) n_sites += static_cast<int64_t>(set.sites.size());
  return n_sites;
}

// What a prompt's scans take, but for where it is edited.
struct SweepSize {
  int64_t n_variants = 0, n_sites = 0, n_replacements = 0;
};

SweepSize SizeOf(const pb::AblateRequest& request, absl::Span<const SiteSet> variants) {
  return {.n_variants = static_cast<int64_t>(variants.size()),
          .n_sites = NumSites(variants),
          .n_replacements = std::max(1, request.replacements_size())};
}

// The scans of a prompt must fit into memory.
absl::Status CheckVariants(const SweepSize& size, const PreparedRequest& prepared, size_t prompt) {
  const std::vector<int32_t>& each = prepared.prompts[prompt].edit_positions;
  const auto n_edit_positions = std::max<int64_t>(1, static_cast<int64_t>(each.size()));
  int64_t n_ranges = 1;
  if (each.empty()) n_ranges = static_cast<int64_t>(AsRanges(EditedPositions(prepared, prompt, 0)).size());
  return CheckVariantCount(size.n_variants, size.n_sites * n_ranges, size.n_replacements, n_edit_positions);
}

absl::Status PreparePrompts(const pb::AblateRequest& request, const PrepareContext& context,
                            PreparedRequest& prepared) {
  prepared.prompts.reserve(static_cast<size_t>(request.prompts_size()));
  int64_t n_tokens = 0;
  for (int i = 0; i < request.prompts_size(); ++i) {
    if (absl::Status status = GoOn(context); !status.ok()) return status;
    auto prompt = PreparePrompt(request, i, *context.engine);
    if (!prompt.ok()) return prompt.status();
    n_tokens += NumTokens(*prompt, prepared.readout.is_sequence);
    if (n_tokens > context.limits.tokens) return TooManyTokens("prompts", i, context.limits.tokens);
    prepared.prompts.push_back(*std::move(prompt));
  }
  return absl::OkStatus();
}

// `size` is that of the sweep that the request is about in the end, also where a `heads` sweep runs first.
absl::Status CheckEachPrompt(const PrepareContext& context, const Libraries& libraries, const SweepSize& size,
                             const PreparedRequest& prepared) {
  std::vector<MeanCover> covers;
  for (size_t r = 0; r < libraries.size(); ++r) {
    if (libraries[r] != nullptr) covers.emplace_back(*libraries[r], static_cast<int>(r));
  }
  for (size_t p = 0; p < prepared.prompts.size(); ++p) {
    if (absl::Status status = GoOn(context); !status.ok()) return status;
    if (absl::Status status = CheckVariants(size, prepared, p); !status.ok()) return status;
    for (const MeanCover& cover : covers) {
      if (absl::Status status = cover.Check(prepared, p); !status.ok()) return status;
    }
  }
  return absl::OkStatus();
}

// Scans and their costs, where there is room for what they give.
absl::Status FitAndPrice(const PrepareContext& context, PreparedRequest& prepared) {
  if (absl::Status status = CheckResultSize(prepared); !status.ok()) return status;
  prepared.units = MakeUnits(prepared);
  return Price(prepared, context);
}

absl::Status CheckCost(const PreparedRequest& prepared, int64_t limit) {
  return prepared.cost > limit ? TooCostly(prepared.cost, limit) : absl::OkStatus();
}

// Checks and prices what will follow: what is found to be too much is so before the first sweep runs.
absl::Status PriceFollowUp(const pb::AblateRequest& request, const PrepareContext& context, std::vector<SiteSet> sets,
                           PreparedRequest& prepared) {
  prepared.variants.swap(sets);
  absl::Status status = CheckSummarySize(request, prepared);
  if (status.ok()) status = FitAndPrice(context, prepared);
  if (status.ok()) status = CheckCost(prepared, context.limits.cost);
  prepared.follow_up.cost = prepared.cost;
  prepared.follow_up.result_bytes = TotalResultBytes(prepared);
  if (request.has_summary()) prepared.follow_up.delta_values = DeltaTable::ValuesOf(prepared);
  prepared.variants.swap(sets);
  return status;
}

// What an order of sites is taken from: the last position's primary metric, under the first of the replacements.
void KeepWhatOrders(PreparedRequest& prepared) {
  prepared.replacements.resize(1);
  prepared.edit_positions.set_each(false);
  for (PreparedPrompt& prompt : prepared.prompts) {
    prompt.edit_positions.clear();
    prompt.read_positions.erase(prompt.read_positions.begin(), prompt.read_positions.end() - 1);
  }
  PreparedReadout& readout = prepared.readout;
  readout.top_k = 0;
  readout.likelihood = readout.effects = readout.compensation = false;
}

}  // namespace

// Any order gives as many variants with as many sites; rows leave the baseline at their first edited layer, so that
// none is dearer than one which takes the lowest layers. Where a prompt is cut into chunks, another may be, by some
// percent: chunks end at other variants, and repeat other rows.
std::vector<Site> DearestOrder(const pb::AblateRequest& request, const PreparedRequest& first) {
  std::vector<Site> order;
  order.reserve(first.variants.size());
  for (const SiteSet& head : first.variants) order.push_back(head.sites.front());
  if (request.sweep().cumulative().backwards()) std::reverse(order.begin(), order.end());
  return order;
}

absl::StatusOr<PreparedRequest> Prepare(const pb::AblateRequest& request, const PrepareContext& context,
                                        absl::Span<const Site> order) {
  const EngineInfo& info = context.engine->Describe();
  if (absl::Status status = CheckRequest(request, info); !status.ok()) return status;
  PreparedRequest prepared;
  prepared.shape = {.n_layers = info.n_layers, .n_heads = info.n_heads};
  prepared.edit_positions = request.edit_positions();
  prepared.prepend_bos = request.prepend_bos();
  auto readout = CheckReadout(request, info);
  if (!readout.ok()) return readout.status();
  prepared.readout = *readout;
  auto variants = SweepSets(request, prepared.shape, order);
  if (!variants.ok()) return variants.status();
  prepared.variants = *std::move(variants);
  const auto libraries = FindMeanLibraries(request, info, context.means);
  if (!libraries.ok()) return libraries.status();

  if (absl::Status status = PreparePrompts(request, context, prepared); !status.ok()) return status;
  if (absl::Status status = CheckPromptsTogether(request, prepared); !status.ok()) return status;
  prepared.readout.primary = PrimaryMetricOf(request, prepared.prompts);
  const bool is_first = NeedsOrder(request) && order.empty();
  auto in_the_end = is_first ? SweepSets(request, prepared.shape, DearestOrder(request, prepared))
                             : absl::StatusOr<std::vector<SiteSet>>(std::vector<SiteSet>());
  if (!in_the_end.ok()) return in_the_end.status();
  const SweepSize size = SizeOf(request, is_first ? *in_the_end : prepared.variants);
  absl::Status status = CheckEachPrompt(context, *libraries, size, prepared);
  if (!status.ok()) return status;
  // Behind the check: it copies what the libraries must have.
  if (status = FillReplacements(request, *context.engine, *libraries, prepared); !status.ok()) return status;
  if (is_first) {
    status = PriceFollowUp(request, context, *std::move(in_the_end), prepared);
    if (!status.ok()) return status;
    KeepWhatOrders(prepared);
  } else if (status = CheckSummarySize(request, prepared); !status.ok()) {
    return status;
  }
  if (status = FitAndPrice(context, prepared); !status.ok()) return status;
  // With an order the request was accepted, and what it was found to cost then counts.
  if (order.empty()) status = CheckCost(prepared, context.limits.cost);
  if (!status.ok()) return status;
  return prepared;
}

}  // namespace ablate
