// One number for each scanned layer and head.
#pragma once

#include <cstdint>
#include <vector>

#include "ablation/v1/scan.pb.h"
#include "client/cpp/cli/block_rows.h"
#include "client/cpp/scan_manifest.h"

namespace ablate::cli {

// What a map shows: the change of the target's log-probability, or, without a target, the KL divergence.
enum class Metric { kDeltaTargetLogprob, kKlDivergence };

// The metric's column name.
const char* Name(Metric metric);

double MetricOf(Metric metric, const Row& row);

// Values are added; a cell's value is the mean of what was added to it.
class Grid {
 public:
  // The layers and heads that the manifest's single-site variants name, in rising order.
  explicit Grid(const client::ScanManifest& manifest);

  // A variant that is no single site changes nothing.
  void Add(int32_t variant, double value);

  const std::vector<int32_t>& layers() const { return layers_; }
  const std::vector<int32_t>& heads() const { return heads_; }
  // By index into layers() and heads(); NaN where nothing was added.
  double At(size_t layer_index, size_t head_index) const;
  // The largest absolute value; 0 where there is none.
  double MaxAbs() const;

 private:
  size_t CellOf(int32_t layer, int32_t head) const;

  std::vector<int32_t> layers_, heads_;
  std::vector<int> cell_of_variant_;  // -1: no single site
  std::vector<double> sum_;           // [layers, heads]
  std::vector<int> count_;            // [layers, heads]
};

}  // namespace ablate::cli
