#include "client/cpp/cli/metric.h"

#include <algorithm>

namespace ablate::cli {

Metrics ChooseMetrics(const client::ScanManifest& manifest) {
  const bool all_have_target = std::all_of(manifest.prompts.begin(), manifest.prompts.end(),
                                           [](const auto& prompt) { return !prompt.targets().empty(); });
  Metrics metrics;
  metrics.map = all_have_target ? Metric::kDeltaTargetLogprob : Metric::kKlDivergence;
  metrics.primary = Metric::kKlDivergence;
  for (const Metric metric : {Metric::kDeltaLogitDiff, Metric::kDeltaProbDiff, Metric::kDeltaTargetLogprob}) {
    if (manifest.head.primary_metric() == LevelName(metric)) metrics.primary = metric;
  }
  return metrics;
}

const char* Name(Metric metric) {
  switch (metric) {
    case Metric::kDeltaTargetLogprob:
      return "delta_target_logprob";
    case Metric::kDeltaLogitDiff:
      return "delta_logit_diff";
    case Metric::kDeltaProbDiff:
      return "delta_prob_diff";
    case Metric::kKlDivergence:
      return "kl_divergence";
  }
  return "";
}

double MetricOf(Metric metric, const Row& row) {
  switch (metric) {
    case Metric::kDeltaTargetLogprob:
      return row.Value(row.columns().delta_target_logprob());
    case Metric::kDeltaLogitDiff:
      return row.Value(row.columns().delta_logit_diff());
    case Metric::kDeltaProbDiff:
      return row.Value(row.columns().delta_prob_diff());
    case Metric::kKlDivergence:
      return row.Value(row.columns().kl_divergence());
  }
  return 0;
}

const char* LevelName(Metric metric) {
  switch (metric) {
    case Metric::kDeltaTargetLogprob:
      return "target_logprob";
    case Metric::kDeltaLogitDiff:
      return "logit_diff";
    case Metric::kDeltaProbDiff:
      return "prob_diff";
    case Metric::kKlDivergence:
      return "kl_divergence";
  }
  return "";
}

double LevelOf(Metric metric, const Row& row) {
  switch (metric) {
    case Metric::kDeltaTargetLogprob:
      return row.Value(row.columns().target_logprob());
    case Metric::kDeltaLogitDiff:
      return row.Value(row.columns().logit_diff());
    case Metric::kDeltaProbDiff:
      return row.Value(row.columns().prob_diff());
    case Metric::kKlDivergence:
      return row.Value(row.columns().kl_divergence());
  }
  return 0;
}

}  // namespace ablate::cli
