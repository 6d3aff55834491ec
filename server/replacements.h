// What edited sites become: a request's replacements, and the table of values that their edits name.
#pragma once

#include <memory>
#include <vector>

#include "ablation/v1/scan.pb.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/engine.h"
#include "server/means/mean_library.h"
#include "server/prepare.h"

namespace ablate {

// Most replacements of a request.
inline constexpr int kMaxReplacements = 16;

// Most numbers of a request's table, 2 GiB, and of the tables of all requests.
inline constexpr int64_t kMaxTableValues = int64_t{1} << 28;
inline constexpr int64_t kMaxTableValuesTogether = 4 * kMaxTableValues;

// Whether each of them makes sense by itself. BadField names what does not.
absl::Status CheckReplacements(const ablation::v1::AblateRequest& request, const EngineInfo& info);

// Sets `replacements`, `table` and the prompts' `mean_group` of a request whose prompts are prepared. `libraries` are
// FindMeanLibraries' and cover the prompts. RESOURCE_EXHAUSTED where the table is too large.
absl::Status FillReplacements(const ablation::v1::AblateRequest& request, const Engine& engine,
                              absl::Span<const std::shared_ptr<const MeanLibrary>> libraries,
                              PreparedRequest& prepared);

}  // namespace ablate
