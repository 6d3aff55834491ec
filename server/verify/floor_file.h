// numeric_floor.json: what `ablated verify` has measured, kept beside the model.
//
// One file holds several measurements, each under the key of what it was measured with: it counts for that only.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "engine/engine.h"
#include "server/verify/verify.h"

namespace ablate {

// What a floor belongs to. Threads are not part of it: on the CPU no bit depends on them.
struct FloorKey {
  std::string weights_sha256;
  // The device's own name, e.g. the processor's: another one has other instructions.
  std::string device_name;
  std::string precision;
  std::string engine_version;
  std::string torch_version;
  bool operator==(const FloorKey&) const = default;
};

FloorKey MakeFloorKey(const EngineInfo& info, std::string_view engine_version);

// `numeric_floor.json` in the model's folder.
std::string DefaultFloorFile(const std::string& model_dir);

// The floors of `key`, by column and length as they were written. NotFound where there is no such file or nothing under
// the key; InvalidArgument where the file is none of ours, or is damaged. Messages name the file.
absl::StatusOr<std::vector<NumericFloor>> ReadFloors(const std::string& path, const FloorKey& key);

// Puts a measurement into the file, in the place of the one of its key. The file appears whole or not at all; of two
// writers at once the last one wins. InvalidArgument where a file is there that is none of ours: it stays as it is.
// FailedPrecondition where it cannot be written.
absl::Status WriteFloors(const std::string& path, const FloorKey& key, absl::Span<const ColumnError> errors);

}  // namespace ablate
