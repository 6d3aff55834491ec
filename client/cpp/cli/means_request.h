// The options of `ablate means compute`, and the request made of them.
#pragma once

#include <cstdint>
#include <string>

#include "ablation/v1/means.pb.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/cpp/cli/data_set.h"

namespace ablate::cli {

// As given on the command line; empty or 0 where it was not.
struct MeansRequestOptions {
  std::string prompts_file;
  std::string mode = "positionwise";
  std::string source = "clean";
  bool group_by_template = false;
  bool prepend_bos = false;
  bool include_first_position = false;
  int32_t min_count = 0;
  std::string name;
};

struct MeansRequest {
  ablation::v1::ComputeMeansRequest request;
  // Where its prompts came from, without the prompts themselves.
  DataSet data;
};

// InvalidArgument names the option, or the file and line, at fault. Reads the file.
absl::StatusOr<MeansRequest> MakeMeansRequest(const MeansRequestOptions& options);

// Adds to an error about a field of the request which option set it, or where a prompt came from.
absl::Status NameMeansOrigin(const absl::Status& status, const MeansRequest& request);

}  // namespace ablate::cli
