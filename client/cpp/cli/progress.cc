#include "client/cpp/cli/progress.h"

#include <cmath>
#include <cstdio>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"

namespace ablate::cli {

std::string ProgressLine(int64_t done, int64_t total, absl::Duration elapsed, absl::string_view unit) {
  constexpr int kWidth = 24;
  const double part = total > 0 ? static_cast<double>(done) / static_cast<double>(total) : 0;
  const int filled = static_cast<int>(part * kWidth);
  std::string line =
      absl::StrFormat("[%s%s] %d/%d %s  %d %%", std::string(filled, '#'), std::string(kWidth - filled, '.'), done,
                      total, unit, static_cast<int>(100 * part));
  const double seconds = absl::ToDoubleSeconds(elapsed);
  if (done == 0 || seconds <= 0) return line;
  const double rate = static_cast<double>(done) / seconds;
  absl::StrAppendFormat(&line, "  %.0f %s/s", rate, unit);
  if (done < total) {
    const auto left = absl::Seconds(std::llround(static_cast<double>(total - done) / rate));
    absl::StrAppend(&line, "  ETA ", absl::FormatDuration(left));
  }
  return line;
}

ProgressBar::ProgressBar(bool enabled, std::string unit)
    : enabled_(enabled), unit_(std::move(unit)), start_(absl::Now()) {}

ProgressBar::~ProgressBar() {
  Erase();
}

void ProgressBar::Erase() {
  if (is_drawn_) std::fputs("\r\x1b[K", stderr);
  is_drawn_ = false;
}

void ProgressBar::Update(int64_t done, int64_t total) {
  const absl::Time now = absl::Now();
  if (!enabled_ || now - last_ < absl::Milliseconds(100)) return;
  last_ = now;
  Erase();
  absl::FPrintF(stderr, "%s", ProgressLine(done, total, now - start_, unit_));
  std::fflush(stderr);
  is_drawn_ = true;
}

}  // namespace ablate::cli
