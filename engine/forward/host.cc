#include "engine/forward/host.h"

#include <sched.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <limits>
#include <sstream>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"

namespace ablate {
namespace {

constexpr char kCgroup[] = "/sys/fs/cgroup/";

// Empty where there is no such file.
std::string ReadText(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// The number behind `key` in lines of `key number ...`; `fallback` where there is none.
int64_t NumberOf(const std::string& key, const std::string& lines, int64_t fallback) {
  std::istringstream in(lines);
  for (std::string line; std::getline(in, line);) {
    std::istringstream words(line);
    std::string name;
    int64_t number = 0;
    if (words >> name >> number && name == key) return number;
  }
  return fallback;
}

}  // namespace

int32_t CoresOfQuota(const std::string& cpu_max) {
  std::istringstream words(cpu_max);
  int64_t quota_us = 0;
  int64_t period_us = 0;
  if (!(words >> quota_us >> period_us) || quota_us < 1 || period_us < 1) return std::numeric_limits<int32_t>::max();
  const int64_t cores = quota_us / period_us + (quota_us % period_us != 0 ? 1 : 0);
  return static_cast<int32_t>(std::min<int64_t>(cores, std::numeric_limits<int32_t>::max()));
}

int32_t UsableCores() {
  cpu_set_t cores;
  const int32_t allowed = sched_getaffinity(0, sizeof(cores), &cores) == 0 ? CPU_COUNT(&cores) : 1;
  return std::max(1, std::min(allowed, CoresOfQuota(ReadText(std::string(kCgroup) + "cpu.max"))));
}

int64_t FreeUnderLimit(const std::string& limit, const std::string& current, const std::string& stat) {
  int64_t most = 0;
  if (!absl::SimpleAtoi(absl::StripAsciiWhitespace(limit), &most)) return std::numeric_limits<int64_t>::max();
  int64_t used = 0;
  if (!absl::SimpleAtoi(absl::StripAsciiWhitespace(current), &used)) used = 0;
  return std::max<int64_t>(0, most - used + NumberOf("inactive_file", stat, 0));
}

int64_t AvailableHostBytes() {
  constexpr int64_t kUnknownKib = int64_t{1} << 20;
  const int64_t machine = NumberOf("MemAvailable:", ReadText("/proc/meminfo"), kUnknownKib) * 1024;
  const std::string group = kCgroup;
  return std::min(machine, FreeUnderLimit(ReadText(group + "memory.max"), ReadText(group + "memory.current"),
                                          ReadText(group + "memory.stat")));
}

std::string ProcessorName() {
  std::istringstream cpuinfo(ReadText("/proc/cpuinfo"));
  for (std::string line; std::getline(cpuinfo, line);) {
    const size_t colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "unknown processor";
}

}  // namespace ablate
