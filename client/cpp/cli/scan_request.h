// The options of `ablate scan` that say what to compute, and the request made of them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ablation/v1/scan.pb.h"
#include "absl/status/statusor.h"
#include "client/cpp/cli/data_set.h"

namespace ablate::cli {

// As given on the command line; nothing, an empty text or an empty list where it was not.
struct PromptOptions {
  std::optional<std::string> prompt, corrupted;
  std::vector<std::string> targets, contrasts;
  std::vector<int32_t> target_ids, contrast_ids;
  std::string prompts_file;
  std::string tokenizer_of;
  bool prepend_bos = false;
};

struct SweepOptions {
  std::string sweep;  // empty: heads
  std::string layers, heads, sites;
  std::vector<std::string> groups;  // NAME=SITES, several joined with `;`
  std::optional<int32_t> strongest, steps, random_sets;
  std::string order;
  bool backwards = false;
};

struct ReplacementOptions {
  std::vector<std::string> replace;  // empty: zero
  std::vector<float> values, factors;
  std::string value_file;
  std::vector<std::string> directions, means;
  std::string positions;
  bool each_position = false;
};

struct ReadoutOptions {
  std::string read;
  int32_t top_k = 0;
  std::string reduction, target_mode;
  bool edit_appended = false, likelihood = false, effects = false, compensation = false;
  std::optional<double> min_denominator;
};

struct SummaryOptions {
  bool summary = false, split = false;
  std::optional<double> min_effect;
  std::optional<int32_t> sign_flips, bootstrap;
};

struct ScanRequestOptions {
  PromptOptions prompts;
  SweepOptions sweep;
  ReplacementOptions replacement;
  ReadoutOptions readout;
  SummaryOptions summary;
  // Of random sets and of the summary.
  std::optional<uint64_t> seed;
  // A request in a file; every other option here is then unset.
  std::string spec;
};

struct ScanRequest {
  ablation::v1::AblateRequest request;
  // Where its prompts came from, without the prompts themselves; no origins for --prompt.
  DataSet data;
  // Options did not make it: errors speak of fields.
  bool is_spec = false;
};

// InvalidArgument names the option, or the file and line, at fault, and the way out. Reads the files that are named.
absl::StatusOr<ScanRequest> MakeScanRequest(const ScanRequestOptions& options);

// The parts of it, each into its own fields of `request`.
absl::Status SetSweep(const SweepOptions& options, std::optional<uint64_t> seed, ablation::v1::AblateRequest* request);
absl::Status SetReplacements(const ReplacementOptions& options, ablation::v1::AblateRequest* request);
absl::Status SetReadout(const ReadoutOptions& options, ablation::v1::Reduction by_layout,
                        ablation::v1::AblateRequest* request);
absl::Status SetSummary(const SummaryOptions& options, std::optional<uint64_t> seed,
                        ablation::v1::AblateRequest* request);

// The request as protobuf JSON with the fields' own names, as --spec reads it.
absl::StatusOr<std::string> RequestJson(const ablation::v1::AblateRequest& request);

// Adds to an error about a field of the request which option set it, and where a prompt came from.
absl::Status NameOrigin(const absl::Status& status, const ScanRequest& request);

}  // namespace ablate::cli
