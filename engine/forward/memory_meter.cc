#include "engine/forward/memory_meter.h"

#include <algorithm>
#include <utility>

namespace ablate {

MemoryMeter::Watch::Watch(std::shared_ptr<MemoryMeter> meter)
    : meter_(std::move(meter)),
      outer_peak_bytes_(std::exchange(meter_->peak_bytes_, meter_->bytes_)),
      allocations_before_(meter_->allocations_),
      guard_(c10::DebugInfoKind::PROFILER_STATE, meter_) {}

MemoryMeter::Watch::~Watch() {
  meter_->peak_bytes_ = std::max(outer_peak_bytes_, meter_->peak_bytes_);
}

void MemoryMeter::reportMemoryUsage(void* /*ptr*/, int64_t alloc_size, size_t /*total_allocated*/,
                                    size_t /*total_reserved*/, c10::Device /*device*/) {
  bytes_ += alloc_size;
  peak_bytes_ = std::max(peak_bytes_, bytes_);
  if (alloc_size > 0) ++allocations_;
}

}  // namespace ablate
