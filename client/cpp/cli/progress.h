// How far a call is: a line on the standard error, where that is a terminal.
#pragma once

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace ablate::cli {

// `[#####.....] 72/145 rows  50 %  1234 rows/s  ETA 2s`; `elapsed` since the first row was asked for.
std::string ProgressLine(int64_t done, int64_t total, absl::Duration elapsed, absl::string_view unit = "rows");

class ProgressBar {
 public:
  // Draws only where `enabled`. `unit` is what is counted.
  explicit ProgressBar(bool enabled, std::string unit = "rows");
  ~ProgressBar();  // removes the line
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  // At most 10 times a second.
  void Update(int64_t done, int64_t total);

 private:
  void Erase();

  const bool enabled_;
  const std::string unit_;
  const absl::Time start_;
  absl::Time last_ = absl::InfinitePast();
  bool is_drawn_ = false;
};

}  // namespace ablate::cli
