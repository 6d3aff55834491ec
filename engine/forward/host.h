// What this process may use of the machine: cores and memory, under the limits that containers set.
#pragma once

#include <cstdint>
#include <string>

namespace ablate {

// The cores of the affinity mask (cpusets and taskset narrow it), or fewer where the control group's CPU quota gives
// less time than they have; at least 1.
int32_t UsableCores();
// Whole cores that a quota is worth, rounded up: `cpu.max` of cgroup v2, `200000 100000` or `max 100000`. INT32_MAX
// where there is no limit.
int32_t CoresOfQuota(const std::string& cpu_max);

// Bytes that may be taken now: the machine's available memory, or what the control group leaves, whose page cache can
// be taken back and counts as free.
int64_t AvailableHostBytes();
// Free under a control group's limit. `limit` and `current` are `memory.max` and `memory.current` of cgroup v2, `stat`
// is `memory.stat`. INT64_MAX where there is no limit.
int64_t FreeUnderLimit(const std::string& limit, const std::string& current, const std::string& stat);

// The processor's own name.
std::string ProcessorName();

}  // namespace ablate
