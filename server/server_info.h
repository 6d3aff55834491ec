// What a server holds and takes on, as the contract tells it.
#pragma once

#include <cstdint>

#include "ablation/v1/model.pb.h"
#include "ablation/v1/scan.pb.h"
#include "server/backend.h"

namespace ablate {

ablation::v1::RuntimeInfo RuntimeOf(const Backend& backend);

// What ScanHead needs of a request's manifest; a selection is the caller's to add.
ablation::v1::Manifest BeginManifest(const Backend& backend, int64_t cost);

}  // namespace ablate
