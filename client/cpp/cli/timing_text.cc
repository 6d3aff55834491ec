#include "client/cpp/cli/timing_text.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace ablate::cli {
namespace {

using ablation::v1::Timing;

std::string Seconds(int64_t ns) {
  return absl::StrFormat("%.3f s", static_cast<double>(ns) * 1e-9);
}

std::string Shares(const Timing& timing) {
  std::string line =
      absl::StrCat("plan ", Seconds(timing.plan_ns()), ", readout ", Seconds(timing.readout_ns()), " (of forward)");
  // A job's results are sent whenever somebody asks for them.
  if (timing.send_ns() > 0) absl::StrAppend(&line, ", send ", Seconds(timing.send_ns()));
  if (timing.peak_bytes() > 0) absl::StrAppend(&line, ", peak ", BytesText(timing.peak_bytes()));
  return line;
}

}  // namespace

std::vector<std::string> TimingLines(const ablation::v1::Completion& completion) {
  const Timing& timing = completion.timing();
  std::string line = absl::StrFormat("%d rows", completion.rows());
  if (timing.total_ns() == 0) return {line};
  absl::StrAppend(&line, " in ", Seconds(timing.total_ns()), " (waited ", Seconds(timing.queue_ns()));
  const int passes = timing.forward_passes();
  if (passes == 0) return {line + ")"};
  absl::StrAppend(&line, ", forward ", Seconds(timing.forward_ns()), " in ", passes,
                  passes == 1 ? " pass)" : " passes)");
  // A server that does not tell of plans is an older one.
  if (timing.plan_ns() == 0) return {line};
  return {line, Shares(timing)};
}

std::string BytesText(int64_t bytes) {
  const double mebibytes = static_cast<double>(bytes) / (1 << 20);
  return mebibytes < 1024 ? absl::StrFormat("%.1f MiB", mebibytes) : absl::StrFormat("%.1f GiB", mebibytes / 1024);
}

}  // namespace ablate::cli
