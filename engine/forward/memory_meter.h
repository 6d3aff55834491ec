// How many bytes of tensors exist, as c10's allocators report them.
#pragma once

#include <c10/core/Allocator.h>
#include <c10/util/ThreadLocalDebugInfo.h>

#include <cstdint>
#include <memory>

namespace ablate {

// Of the thread that owns the device, and of what that thread allocates and frees while a Watch of the meter exists: on
// host and device together. What libraries keep for themselves (a GEMM's packed operands, plans) is not among it.
class MemoryMeter final : public c10::MemoryReportingInfoBase {
 public:
  // Watches may lie within each other.
  class Watch {
   public:
    explicit Watch(std::shared_ptr<MemoryMeter> meter);
    ~Watch();
    Watch(const Watch&) = delete;
    Watch& operator=(const Watch&) = delete;

    // Most bytes that existed at once since the watch began.
    int64_t peak_bytes() const { return meter_->peak_bytes_; }
    // How many exist now.
    int64_t bytes() const { return meter_->bytes_; }
    // How often memory was asked for since then.
    int64_t allocations() const { return meter_->allocations_ - allocations_before_; }

   private:
    const std::shared_ptr<MemoryMeter> meter_;
    const int64_t outer_peak_bytes_;
    const int64_t allocations_before_;
    const c10::DebugInfoGuard guard_;
  };

  // c10's: negative where something is freed.
  void reportMemoryUsage(void* ptr, int64_t alloc_size, size_t total_allocated, size_t total_reserved,
                         c10::Device device) override;
  bool memoryProfilingEnabled() const override { return true; }

 private:
  int64_t bytes_ = 0;
  int64_t peak_bytes_ = 0;
  int64_t allocations_ = 0;
};

}  // namespace ablate
