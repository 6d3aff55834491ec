// Means over the prompts of what each variant does under one replacement: what figures are drawn from.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <vector>

#include "client/cpp/cli/block_rows.h"
#include "client/cpp/cli/metric.h"
#include "client/cpp/scan_manifest.h"

namespace ablate::cli {

// On the logit difference (docs/design.md, Effects), of one run or of the mean of some; NaN where they were not asked
// for.
struct Effects {
  double contribution = std::numeric_limits<double>::quiet_NaN();
  double direct = std::numeric_limits<double>::quiet_NaN();
  double direct_live = std::numeric_limits<double>::quiet_NaN();
  double indirect = std::numeric_limits<double>::quiet_NaN();
  double total = std::numeric_limits<double>::quiet_NaN();

  static Effects Of(const Row& row);
};

// Over all prompts, or, where some chose the sites for the others (--split), over those others. Templates weigh alike,
// as in summaries, however many prompts they have; but one that a job set prompts of aside weighs less by these, and
// where positions are swept, one of which not every prompt reaches a position weighs less there. Read at each prompt's
// last read position. Rows may be added in any order, and means asked for at any time.
class VariantMeans {
 public:
  VariantMeans(std::shared_ptr<const client::ScanManifest> manifest, int32_t replacement, const Metrics& metrics);

  // Rows of other replacements, other read positions and prompts that chose change nothing.
  void Add(const Row& row);

  struct Means {
    int n = 0;  // prompts; 0: the others are NaN
    double map = std::numeric_limits<double>::quiet_NaN();
    double delta = std::numeric_limits<double>::quiet_NaN();  // of the primary metric
    double level = std::numeric_limits<double>::quiet_NaN();
    double interaction = std::numeric_limits<double>::quiet_NaN();
    double top1_share = std::numeric_limits<double>::quiet_NaN();  // of the prompts, each counted once
    Effects effects;
  };
  Means At(size_t variant, size_t edit_index = 0) const;
  // The primary metric of the unedited run; NaN before it has come.
  double baseline() const;

  const client::ScanManifest& manifest() const { return *manifest_; }
  // Those that the means are over.
  int n_prompts() const { return manifest_->n_prompts() - manifest_->head.selection().prompt_index_size(); }
  // Whether that makes other means than prompts weighing alike.
  bool weighs_templates() const { return !weight_.empty(); }
  int32_t replacement() const { return replacement_; }
  const Metrics& metrics() const { return metrics_; }
  size_t n_variants() const { return manifest_->variants.size(); }
  // Where positions are swept: the positions, rising; counted from the end (-1 is the last) where prompts differ in
  // length. Else one entry.
  const std::vector<int32_t>& edit_positions() const { return edit_positions_; }
  bool counts_from_end() const { return counts_from_end_; }

 private:
  struct Sums {
    int n = 0;
    double top1 = 0, weight = 0;
    // Weighted.
    double map = 0, delta = 0, level = 0, interaction = 0;
    Effects effects = {0, 0, 0, 0, 0};
  };
  bool HasChosen(int32_t prompt) const { return !has_chosen_.empty() && has_chosen_[prompt]; }
  void WeighTemplates();
  size_t EditIndex(int32_t prompt, int32_t edit_position) const;

  const std::shared_ptr<const client::ScanManifest> manifest_;
  const int32_t replacement_;
  const Metrics metrics_;
  int32_t unedited_;              // the run that is edited
  std::vector<bool> has_chosen_;  // [prompts], or empty: none has
  std::vector<double> weight_;    // [prompts], or empty: all weigh alike
  std::vector<int32_t> edit_positions_;
  bool counts_from_end_ = false;
  std::vector<Sums> sums_;  // [variants, edit_positions]
  Sums baseline_;
};

}  // namespace ablate::cli
