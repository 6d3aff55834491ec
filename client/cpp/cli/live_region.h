// Lines of a terminal that are drawn again and again in the same place.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "client/cpp/cli/output.h"

namespace ablate::cli {

class LiveRegion {
 public:
  // `output` must outlive the region. Where it is no terminal, Update does nothing.
  explicit LiveRegion(Output* output);

  // Draws `lines` over those drawn before, at most 25 times a second. Skipped where they would not fit the window (a
  // line that wraps could not be drawn over).
  absl::Status Update(const std::vector<std::string>& lines);
  // True where an Update now would draw: spares composing lines that are not shown.
  bool IsDue() const;
  // Draws `lines` for good.
  absl::Status Finish(const std::vector<std::string>& lines);
  // Removes what was drawn.
  absl::Status Clear();

 private:
  bool Fits(const std::vector<std::string>& lines) const;
  absl::Status Draw(const std::vector<std::string>& lines);

  Output* const output_;
  const bool is_terminal_;
  size_t drawn_ = 0;
  absl::Time last_ = absl::InfinitePast();
};

}  // namespace ablate::cli
