// Where a server's mean libraries are: --means-dir, or a folder of the user's, and beside the model those that came
// with it.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "server/means/mean_store.h"

namespace ablate {

// `$XDG_DATA_HOME/ablate/means`, else `$HOME/.local/share/ablate/means`; empty where neither is set to an absolute
// path.
std::string DefaultMeansDir();

// `means_dir`: nullopt is DefaultMeansDir(), which is made when it is first needed; an empty one keeps nothing.
// Whatever it says, `model_dir`/means is read. Errors as MeanStore::Open's.
absl::StatusOr<std::unique_ptr<MeanStore>> OpenMeanStore(const std::optional<std::string>& means_dir,
                                                         const std::string& model_dir);

}  // namespace ablate
