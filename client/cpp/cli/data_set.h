// A data set of prompts, whatever its file looked like.
#pragma once

#include <string>
#include <vector>

#include "ablation/v1/scan.pb.h"

namespace ablate::cli {

// Prompts, where each came from, and what the file says of them that is none of our business.
struct DataSet {
  std::vector<ablation::v1::Prompt> prompts;
  // Parallel to `prompts`, to name one in errors: `facts.csv, line 3`, `ioi.json, prompts[2]`.
  std::vector<std::string> origins;
  // Names of the columns that are not ours, in the order in which they were seen.
  std::vector<std::string> field_names;
  // [prompts][<= field_names], their values as JSON; empty, or missing at the end: absent.
  std::vector<std::vector<std::string>> fields;
  // Answers are token ids of somebody's tokenizer (EAP-IG's correct_idx and incorrect_idx).
  bool has_foreign_ids = false;
  // The layout tells how its answer sets are scored (EAP-IG's greater-than: by the sum of probabilities).
  ablation::v1::Reduction reduction = ablation::v1::REDUCTION_UNSPECIFIED;

  // Sets the last prompt's value of a column.
  void SetField(const std::string& name, std::string json);
};

}  // namespace ablate::cli
