#include "engine/forward/stage_timer.h"

#include <c10/core/impl/VirtualGuardImpl.h>

#include "absl/time/clock.h"

namespace ablate {
namespace {

void Record(std::optional<c10::Event>& event, c10::Device device) {
  event.emplace(device.type(), c10::EventFlag::BACKEND_DEFAULT);
  event->record(c10::impl::VirtualGuardImpl(device.type()).getStream(device));
}

}  // namespace

StageTimer::StageTimer(c10::Device device) : device_(device) {
  if (device.is_cpu()) {
    start_ns_ = absl::GetCurrentTimeNanos();
  } else {
    Record(start_, device);
  }
}

void StageTimer::Stop() {
  if (!device_.is_cpu()) Record(stop_, device_);
}

int64_t StageTimer::ElapsedNs() {
  if (device_.is_cpu()) return absl::GetCurrentTimeNanos() - start_ns_;
  stop_->synchronize();
  return static_cast<int64_t>(start_->elapsedTime(*stop_) * 1e6);
}

}  // namespace ablate
