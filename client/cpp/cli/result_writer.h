// What shows or stores a scan's results.
#pragma once

#include <memory>

#include "ablation/v1/scan.pb.h"
#include "absl/status/status.h"
#include "absl/types/span.h"
#include "client/cpp/cli/block_rows.h"
#include "client/cpp/scan_manifest.h"

namespace ablate::cli {

// One object a scan; its calls come in this order. An error ends the scan.
class ResultWriter {
 public:
  virtual ~ResultWriter() = default;
  // The writer may keep the manifest: with many prompts it is too large to be copied.
  virtual absl::Status Begin(std::shared_ptr<const client::ScanManifest> manifest) = 0;
  // Rows as they arrive, in no order: for what is drawn while the scan runs.
  virtual absl::Status Arrived(const Block&) { return absl::OkStatus(); }
  // One prompt, whole: the baseline, then the variants; prompts in the request's order.
  virtual absl::Status Prompt(int prompt, absl::Span<const Row> rows) = 0;
  virtual absl::Status End(const ablation::v1::Completion&) { return absl::OkStatus(); }
};

}  // namespace ablate::cli
