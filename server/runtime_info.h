// How a server computes, and what it takes on, as the contract tells it.
#pragma once

#include "ablation/v1/model.pb.h"
#include "server/backend.h"

namespace ablate {

ablation::v1::RuntimeInfo RuntimeOf(const Backend& backend);

}  // namespace ablate
