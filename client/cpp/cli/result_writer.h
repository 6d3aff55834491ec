// What shows or stores a scan's results.
#pragma once

#include <memory>

#include "ablation/v1/scan.pb.h"
#include "absl/status/status.h"
#include "absl/types/span.h"
#include "client/cpp/cli/block_rows.h"
#include "client/cpp/scan_manifest.h"

namespace ablate::cli {

// All of one prompt, in RowSpace's order.
struct PromptResult {
  int prompt = 0;
  // The baseline first.
  absl::Span<const Row> rows;
  // One a run; empty where none was asked for.
  absl::Span<const LikelihoodEntry> likelihoods;
  // One a row of an edited run; likewise.
  absl::Span<const CompensationEntry> compensations;
};

// One object a scan; its calls come in this order. An error ends the scan.
class ResultWriter {
 public:
  virtual ~ResultWriter() = default;
  // The writer may keep the manifest: with many prompts it is too large to be copied.
  virtual absl::Status Begin(std::shared_ptr<const client::ScanManifest> manifest) = 0;
  // Rows as they arrive, in no order: for what is drawn while the scan runs.
  virtual absl::Status Arrived(const Block&) { return absl::OkStatus(); }
  // One prompt, whole; prompts in the request's order.
  virtual absl::Status Prompt(const PromptResult& result) = 0;
  // Once, where it was asked for.
  virtual absl::Status Statistics(const Summary&) { return absl::OkStatus(); }
  virtual absl::Status End(const ablation::v1::Completion&) { return absl::OkStatus(); }
};

}  // namespace ablate::cli
