#include "client/cpp/cli/timing_text.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cpp/cli/number.h"

namespace ablate::cli {
namespace {

using ablation::v1::Timing;

std::string Shares(const Timing& timing) {
  std::string line = absl::StrCat("plan ", DurationText(timing.plan_ns()), ", readout ",
                                  DurationText(timing.readout_ns()), " (of forward)");
  // A job's results are sent whenever somebody asks for them.
  if (timing.send_ns() > 0) absl::StrAppend(&line, ", send ", DurationText(timing.send_ns()));
  if (timing.peak_bytes() > 0) absl::StrAppend(&line, ", peak ", BytesText(timing.peak_bytes()));
  return line;
}

}  // namespace

std::vector<std::string> TimingLines(const ablation::v1::Completion& completion) {
  const Timing& timing = completion.timing();
  std::string line = absl::StrFormat("%d rows", completion.rows());
  if (timing.total_ns() == 0) return {line};
  absl::StrAppend(&line, " in ", DurationText(timing.total_ns()), " (waited ", DurationText(timing.queue_ns()));
  const int passes = timing.forward_passes();
  if (passes == 0) return {line + ")"};
  absl::StrAppend(&line, ", forward ", DurationText(timing.forward_ns()), " in ", passes,
                  passes == 1 ? " pass)" : " passes)");
  // A server that does not tell of plans is an older one.
  if (timing.plan_ns() == 0) return {line};
  return {line, Shares(timing)};
}

}  // namespace ablate::cli
