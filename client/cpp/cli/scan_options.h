// The flags of `ablate scan`, and those that it shares with `ablate job submit`.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "client/cpp/cli/common_options.h"
#include "client/cpp/cli/result_output.h"
#include "client/cpp/cli/scan_request.h"

namespace ablate::cli {

// What makes a request, of a scan or of a job.
struct RequestFlags {
  ScanRequestOptions request;
  // The flags given that make the request, `--spec` aside: as the user named them.
  std::vector<std::string> given;
};

struct ScanOptions {
  CommonOptions common;
  RequestFlags flags;
  bool print_spec = false;
  bool explain = false;
  OutputOptions output;
};

// `options` must outlive `command`'s parsing, here as below.
void AddRequestFlags(CLI::App* command, RequestFlags* flags);
// `--format`, `--output`, `--no-color`.
void AddOutputOptions(CLI::App* command, OutputOptions* options);

void AddScanOptions(CLI::App* command, ScanOptions* options);

// What the parser cannot tell: flags that do not go together. InvalidArgument names them and the way out.
absl::Status CheckRequestFlags(const RequestFlags& flags);
absl::Status CheckScanOptions(const ScanOptions& options);

}  // namespace ablate::cli
