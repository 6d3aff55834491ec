#include "server/wire_rows.h"

#include <algorithm>
#include <cmath>
#include <type_traits>

#include "absl/strings/str_cat.h"

namespace ablate {
namespace {

// All columns with one entry a row: visit(name, member).
template <typename Visit>
void ForEachColumn(const Visit& visit) {
  using B = ReadoutBlock;
  visit("variant", &B::variant);
  visit("position", &B::position);
  visit("target_logit", &B::target_logit);
  visit("contrast_logit", &B::contrast_logit);
  visit("logit_diff", &B::logit_diff);
  visit("target_logprob", &B::target_logprob);
  visit("contrast_logprob", &B::contrast_logprob);
  visit("target_prob", &B::target_prob);
  visit("prob_diff", &B::prob_diff);
  visit("delta_target_logit", &B::delta_target_logit);
  visit("delta_contrast_logit", &B::delta_contrast_logit);
  visit("delta_logit_diff", &B::delta_logit_diff);
  visit("delta_target_logprob", &B::delta_target_logprob);
  visit("delta_contrast_logprob", &B::delta_contrast_logprob);
  visit("delta_target_prob", &B::delta_target_prob);
  visit("delta_prob_diff", &B::delta_prob_diff);
  visit("target_rank", &B::target_rank);
  visit("target_is_top1", &B::target_is_top1);
  visit("top1_id", &B::top1_id);
  visit("top1_preserved", &B::top1_preserved);
  visit("kl_divergence", &B::kl_divergence);
  visit("entropy", &B::entropy);
  visit("kl_from_donor", &B::kl_from_donor);
  visit("direct_contribution", &B::direct_contribution);
  visit("direct_effect", &B::direct_effect);
  visit("direct_effect_live", &B::direct_effect_live);
}

constexpr std::vector<double> ReadoutBlock::* kDeltas[] = {
    &ReadoutBlock::delta_target_logit,   &ReadoutBlock::delta_contrast_logit,   &ReadoutBlock::delta_logit_diff,
    &ReadoutBlock::delta_target_logprob, &ReadoutBlock::delta_contrast_logprob, &ReadoutBlock::delta_target_prob,
    &ReadoutBlock::delta_prob_diff};

absl::Status CheckColumn(absl::string_view name, size_t size, size_t rows, size_t width) {
  if (size == 0 || size == rows * width) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("column ", name, " has ", size, " entries, expected ", rows * width));
}

template <typename Column>
void AppendWide(const Column& from, size_t row, size_t rows, Column& to) {
  const size_t width = from.size() / rows;
  const auto begin = from.begin() + static_cast<std::ptrdiff_t>(row * width);
  to.insert(to.end(), begin, begin + static_cast<std::ptrdiff_t>(width));
}

}  // namespace

absl::Status CheckColumns(const ReadoutBlock& block, ModelShape shape) {
  const size_t rows = block.variant.size();
  absl::Status status;
  const auto check = [&](absl::string_view name, size_t size, size_t width) {
    if (status.ok()) status = CheckColumn(name, size, rows, width);
  };
  ForEachColumn([&](absl::string_view name, auto member) { check(name, (block.*member).size(), 1); });
  if (status.ok() && block.position.empty() && rows > 0)
    status = absl::InvalidArgumentError("column position is missing");
  const size_t k = rows == 0 ? 0 : block.top_k_id.size() / rows;
  check("top_k_id", block.top_k_id.size(), k);
  check("top_k_logprob", block.top_k_logprob.size(), k);
  const auto layers = static_cast<size_t>(shape.n_layers), heads = static_cast<size_t>(shape.n_heads);
  check("compensation_heads", block.compensation_heads.size(), layers * heads);
  check("compensation_mlps", block.compensation_mlps.size(), layers);
  check("compensation_layer_norm", block.compensation_layer_norm.size(), 1);
  return status;
}

std::optional<NotFinite> FindNotFinite(const ReadoutBlock& block) {
  std::optional<NotFinite> found;
  const auto look = [&](absl::string_view name, const std::vector<double>& values) {
    if (found.has_value()) return;
    const auto bad = std::find_if(values.begin(), values.end(), [](double value) { return !std::isfinite(value); });
    if (bad == values.end()) return;
    const size_t width = values.size() / block.variant.size();
    found = {.column = name, .row = static_cast<size_t>(bad - values.begin()) / width, .value = *bad};
  };
  ForEachColumn([&](absl::string_view name, auto member) {
    if constexpr (std::is_same_v<decltype(member), std::vector<double> ReadoutBlock::*>) look(name, block.*member);
  });
  look("top_k_logprob", block.top_k_logprob);
  look("compensation_heads", block.compensation_heads);
  look("compensation_mlps", block.compensation_mlps);
  look("compensation_layer_norm", block.compensation_layer_norm);
  return found;
}

void AppendRow(const ReadoutBlock& from, size_t row, ReadoutBlock& to) {
  const size_t rows = from.variant.size();
  ForEachColumn([&](absl::string_view /*name*/, auto member) {
    if (!(from.*member).empty()) (to.*member).push_back((from.*member)[row]);
  });
  AppendWide(from.top_k_id, row, rows, to.top_k_id);
  AppendWide(from.top_k_logprob, row, rows, to.top_k_logprob);
}

void AppendRow(const WireRows& from, size_t row, WireRows& to) {
  AppendRow(from.values, row, to.values);
  for (const auto member : {&WireRows::replacement, &WireRows::edit_position}) {
    if (!(from.*member).empty()) (to.*member).push_back((from.*member)[row]);
  }
  for (const auto member : {&WireRows::kl_to_clean, &WireRows::normalized, &WireRows::interaction}) {
    if (!(from.*member).empty()) (to.*member).push_back((from.*member)[row]);
  }
}

const std::vector<double>* PrimaryLevel(const ReadoutBlock& block, PrimaryMetric primary) {
  switch (primary) {
    case PrimaryMetric::kLogitDiff:
      return &block.logit_diff;
    case PrimaryMetric::kProbDiff:
      return &block.prob_diff;
    case PrimaryMetric::kTargetLogprob:
      return &block.target_logprob;
    case PrimaryMetric::kNone:
      break;
  }
  return nullptr;
}

const std::vector<double>* PrimaryDelta(const ReadoutBlock& block, PrimaryMetric primary) {
  switch (primary) {
    case PrimaryMetric::kLogitDiff:
      return &block.delta_logit_diff;
    case PrimaryMetric::kProbDiff:
      return &block.delta_prob_diff;
    case PrimaryMetric::kTargetLogprob:
      return &block.delta_target_logprob;
    case PrimaryMetric::kNone:
      break;
  }
  return nullptr;
}

absl::string_view PrimaryName(PrimaryMetric primary) {
  switch (primary) {
    case PrimaryMetric::kLogitDiff:
      return "logit_diff";
    case PrimaryMetric::kProbDiff:
      return "prob_diff";
    case PrimaryMetric::kTargetLogprob:
      return "target_logprob";
    case PrimaryMetric::kNone:
      break;
  }
  return "";
}

// 0 - 0 is 0, where -0 would come out of a mere minus.
void NegateDeltas(const ReadoutBlock& from, ReadoutBlock& to) {
  for (const auto member : kDeltas) {
    if (!(from.*member).empty()) (to.*member) = {0.0 - (from.*member)[0]};
  }
}

void ZeroDeltas(ReadoutBlock& row) {
  for (const auto member : kDeltas) (row.*member).assign((row.*member).size(), 0);
}

}  // namespace ablate
