#include "server/verify/verify.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "server/verify/calibration.h"
#include "server/verify/case_run.h"
#include "server/verify/columns.h"
#include "server/verify/comparison.h"

namespace ablate {
namespace {

absl::Status CheckEngines(const EngineInfo& subject, const EngineInfo& reference) {
  if (reference.precision != Precision::kFloat64) {
    return absl::FailedPreconditionError(
        absl::StrCat("reference: its precision is ", std::string(Name(reference.precision)), ", expected float64"));
  }
  if (subject.weights_sha256 != reference.weights_sha256) {
    return absl::FailedPreconditionError(absl::StrCat("reference: its weights have the SHA-256 ",
                                                      reference.weights_sha256, ", expected those under test, ",
                                                      subject.weights_sha256));
  }
  return absl::OkStatus();
}

absl::StatusOr<CaseRun> RunNamed(Engine& engine, const Scan& scan) {
  absl::StatusOr<CaseRun> run = RunCase(engine, scan);
  if (run.ok()) return run;
  return absl::Status(run.status().code(), absl::StrCat("in ", std::string(Name(engine.Describe().precision)), " on ",
                                                        engine.Describe().device, ": ", run.status().message()));
}

}  // namespace

std::vector<NumericFloor> VerifyReport::floors() const {
  std::vector<NumericFloor> made;
  for (const ColumnError& error : errors) {
    if (error.stats.n_values == 0) continue;
    made.push_back({.column = error.column, .n_tokens = error.n_tokens, .floor = error.stats.floor});
  }
  return made;
}

absl::StatusOr<VerifyReport> Verify(Engine& subject, Engine& reference, const VerifyProgress& progress) {
  VerifyReport report;
  report.info = subject.Describe();
  if (absl::Status status = CheckEngines(report.info, reference.Describe()); !status.ok()) return status;
  absl::StatusOr<std::vector<CalibrationCase>> cases = MakeCalibration(subject);
  if (!cases.ok()) return cases.status();

  std::vector<Comparison> comparisons;
  for (size_t i = 0; i < cases->size(); ++i) {
    CalibrationCase& made = (*cases)[i];
    const auto n_tokens = static_cast<int32_t>(made.scan.token_ids.size());
    if (progress) progress(static_cast<int32_t>(i), static_cast<int32_t>(cases->size()), n_tokens);
    const auto top = TopTokens(subject, made.scan);
    if (!top.ok()) return top.status();
    made.scan.answers = ChooseAnswers(*top, report.info.vocab_size, i);
    const absl::StatusOr<CaseRun> ours = RunNamed(subject, made.scan);
    if (!ours.ok()) return ours.status();
    const absl::StatusOr<CaseRun> exact = RunNamed(reference, made.scan);
    if (!exact.ok()) return exact.status();
    if (comparisons.empty() || comparisons.back().length().n_tokens != n_tokens) comparisons.emplace_back(n_tokens);
    comparisons.back().Add(made, *ours, *exact);
  }

  for (const Comparison& comparison : comparisons) {
    report.lengths.push_back(comparison.length());
    for (ColumnError& error : comparison.errors()) report.errors.push_back(std::move(error));
  }
  const std::vector<absl::string_view> order = MeasuredColumns();
  const auto place = [&](const ColumnError& error) { return std::find(order.begin(), order.end(), error.column); };
  std::stable_sort(report.errors.begin(), report.errors.end(),
                   [&](const ColumnError& a, const ColumnError& b) { return place(a) < place(b); });
  return report;
}

}  // namespace ablate
