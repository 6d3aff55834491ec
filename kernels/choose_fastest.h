// Which of several ways to do the same is the fastest, in few runs.
#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

namespace ablate::kernels {

struct Fastest {
  size_t index = 0;
  double microseconds = 0;
};

// Way 0 is what would be taken unmeasured: another must be faster by a thirtieth, so that noise changes nothing.
// `time(way, runs)`: microseconds a run, or nothing where the way fails, which is then out. `is_late()` is asked
// between two measurements: once it says so all is given up. Nothing also where every way fails.
template <typename Time, typename IsLate>
std::optional<Fastest> ChooseFastest(size_t n_ways, Time time, IsLate is_late) {
  constexpr int kFewRuns = 3, kManyRuns = 10, kRounds = 3;
  constexpr size_t kFinalists = 3;
  constexpr double kNoise = 29.0 / 30;
  // A few runs tell which ways are worth more.
  std::vector<std::pair<double, size_t>> first;
  for (size_t way = 0; way < n_ways; ++way) {
    if (is_late()) return std::nullopt;
    if (const std::optional<double> once = time(way, kFewRuns); once.has_value()) first.emplace_back(*once, way);
  }
  std::sort(first.begin(), first.end());
  std::vector<std::optional<double>> best(n_ways);
  // Ways take turns, so that a clock that changes on the way changes it for all.
  for (int round = 0; round < kRounds; ++round) {
    for (size_t place = 0; place < first.size(); ++place) {
      const size_t way = first[place].second;
      if (place >= kFinalists && way != 0) continue;
      if (is_late()) return std::nullopt;
      const std::optional<double> again = time(way, kManyRuns);
      if (again.has_value()) best[way] = std::min(best[way].value_or(*again), *again);
    }
  }
  std::optional<Fastest> chosen;
  for (size_t way = 0; way < n_ways; ++way) {
    if (!best[way].has_value()) continue;
    const double margin = chosen.has_value() && chosen->index == 0 ? kNoise : 1;
    if (!chosen.has_value() || *best[way] < margin * chosen->microseconds) chosen = Fastest{way, *best[way]};
  }
  return chosen;
}

}  // namespace ablate::kernels
