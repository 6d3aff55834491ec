// How long a stage of a forward pass takes on its device.
#pragma once

#include <c10/core/Event.h>

#include <cstdint>
#include <optional>

namespace ablate {

// On a GPU from its making to Stop, the stage's own time in the current stream, which the host does not wait for; on
// the CPU, which is done with a stage when its time is asked for, until then.
class StageTimer {
 public:
  explicit StageTimer(c10::Device device);
  void Stop();
  // Behind Stop; waits until the device has come to it.
  int64_t ElapsedNs();

 private:
  c10::Device device_;
  int64_t start_ns_ = 0;
  std::optional<c10::Event> start_, stop_;
};

}  // namespace ablate
