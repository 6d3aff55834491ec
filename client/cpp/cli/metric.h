// The numbers that tables and figures are about.
#pragma once

#include "ablation/v1/scan.pb.h"
#include "client/cpp/cli/block_rows.h"
#include "client/cpp/scan_manifest.h"

namespace ablate::cli {

enum class Metric { kDeltaTargetLogprob, kDeltaLogitDiff, kDeltaProbDiff, kKlDivergence };

struct Metrics {
  // Of maps and bars: the change of the target's log-probability, or, where a prompt has no target, the KL divergence.
  Metric map = Metric::kDeltaTargetLogprob;
  // Of everything else: the change of `Manifest.primary_metric`; without one, the KL divergence too.
  Metric primary = Metric::kDeltaLogitDiff;
};

Metrics ChooseMetrics(const client::ScanManifest& manifest);

// The metric's column name.
const char* Name(Metric metric);
// NaN where the row has none.
double MetricOf(Metric metric, const Row& row);

// What the metric is the change of, e.g. `logit_diff`. The KL divergence is itself.
const char* LevelName(Metric metric);
double LevelOf(Metric metric, const Row& row);

}  // namespace ablate::cli
