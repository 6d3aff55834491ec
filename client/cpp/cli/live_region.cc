#include "client/cpp/cli/live_region.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/cpp/cli/text.h"

namespace ablate::cli {
namespace {

constexpr absl::Duration kInterval = absl::Milliseconds(40);

}  // namespace

LiveRegion::LiveRegion(Output* output) : output_(output), is_terminal_(output->IsTerminal()) {}

bool LiveRegion::IsDue() const {
  return is_terminal_ && absl::Now() - last_ >= kInterval;
}

bool LiveRegion::Fits(const std::vector<std::string>& lines) const {
  const auto window = output_->TerminalWindow();
  return static_cast<int>(lines.size()) < window.height &&
         std::all_of(
             lines.begin(), lines.end(), [&](const std::string& line) { return VisibleWidth(line) <= window.width; });
}

absl::Status LiveRegion::Draw(const std::vector<std::string>& lines) {
  std::string text;
  // Up over the lines drawn before, then clear to the window's end.
  if (drawn_ > 0) text = absl::StrCat("\x1b[", drawn_, "A\r\x1b[J");
  for (const std::string& line : lines) absl::StrAppend(&text, line, "\n");
  drawn_ = lines.size();
  if (auto status = output_->Write(text); !status.ok()) return status;
  return output_->Flush();
}

absl::Status LiveRegion::Update(const std::vector<std::string>& lines) {
  if (!IsDue() || !Fits(lines)) return absl::OkStatus();
  last_ = absl::Now();
  return Draw(lines);
}

absl::Status LiveRegion::Finish(const std::vector<std::string>& lines) {
  auto status = Draw(lines);
  drawn_ = 0;
  return status;
}

absl::Status LiveRegion::Clear() {
  return Finish({});
}

}  // namespace ablate::cli
