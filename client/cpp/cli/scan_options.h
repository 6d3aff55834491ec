// The flags of `ablate scan`.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "client/cpp/cli/common_options.h"
#include "client/cpp/cli/scan_request.h"

namespace ablate::cli {

struct ScanOptions {
  CommonOptions common;
  ScanRequestOptions request;
  bool print_spec = false;
  std::string format = "table";
  std::string output;
  bool no_color = false;
  std::optional<int32_t> focus_layer;
  // The flags given that make the request, `--spec` aside: as the user named them.
  std::vector<std::string> request_flags;
};

// `options` must outlive `command`'s parsing.
void AddScanOptions(CLI::App* command, ScanOptions* options);

// What the parser cannot tell: flags that do not go together. InvalidArgument names them and the way out.
absl::Status CheckScanOptions(const ScanOptions& options);

}  // namespace ablate::cli
