#include "engine/forward/compute_mode.h"

#include <utility>

namespace ablate {
namespace {

thread_local ComputeMode mode;

}  // namespace

ComputeModeScope::ComputeModeScope(ComputeMode now) : before_(std::exchange(mode, now)) {}

ComputeModeScope::~ComputeModeScope() {
  mode = before_;
}

ComputeMode ComputeModeScope::Current() {
  return mode;
}

}  // namespace ablate
