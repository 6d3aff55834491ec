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

void TellProgress(const VerifyProgress& progress, const std::vector<CalibrationCase>& cases, size_t index) {
  if (!progress) return;
  progress(static_cast<int32_t>(index), static_cast<int32_t>(cases.size()),
           static_cast<int32_t>(cases[index].scan.token_ids.size()));
}

// An error with the engine that made it.
absl::Status Named(const Engine& engine, const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat("in ", std::string(Name(engine.Describe().precision)), " on ",
                                                  engine.Describe().device, ": ", status.message()));
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

absl::StatusOr<VerifyReference> RunReference(Engine& engine, const VerifyProgress& progress) {
  VerifyReference made;
  made.info = engine.Describe();
  if (made.info.precision != Precision::kFloat64) {
    return absl::FailedPreconditionError(
        absl::StrCat("reference: its precision is ", std::string(Name(made.info.precision)), ", expected float64"));
  }
  absl::StatusOr<std::vector<CalibrationCase>> cases = MakeCalibration(engine);
  if (!cases.ok()) return cases.status();
  made.cases = *std::move(cases);
  for (size_t i = 0; i < made.cases.size(); ++i) {
    TellProgress(progress, made.cases, i);
    Scan& scan = made.cases[i].scan;
    const auto top = TopTokens(engine, scan);
    if (!top.ok()) return Named(engine, top.status());
    scan.answers = ChooseAnswers(*top, made.info.vocab_size, i);
    absl::StatusOr<CaseRun> run = RunCase(engine, scan);
    if (!run.ok()) return Named(engine, run.status());
    made.runs.push_back(*std::move(run));
  }
  return made;
}

absl::StatusOr<VerifyReport> Verify(Engine& subject, const VerifyReference& reference, const VerifyProgress& progress) {
  VerifyReport report;
  report.info = subject.Describe();
  if (report.info.weights_sha256 != reference.info.weights_sha256) {
    return absl::FailedPreconditionError(absl::StrCat("reference: its weights have the SHA-256 ",
                                                      reference.info.weights_sha256, ", expected those under test, ",
                                                      report.info.weights_sha256));
  }
  // Once beside the clock: a first run loads and chooses what later ones find.
  if (const auto first = RunCase(subject, reference.cases.at(0).scan); !first.ok())
    return Named(subject, first.status());
  std::vector<Comparison> comparisons;
  for (size_t i = 0; i < reference.cases.size(); ++i) {
    TellProgress(progress, reference.cases, i);
    const CalibrationCase& made = reference.cases[i];
    const auto n_tokens = static_cast<int32_t>(made.scan.token_ids.size());
    const absl::StatusOr<CaseRun> run = RunCase(subject, made.scan);
    if (!run.ok()) return Named(subject, run.status());
    if (comparisons.empty() || comparisons.back().length().n_tokens != n_tokens) comparisons.emplace_back(n_tokens);
    comparisons.back().Add(made, *run, reference.runs[i]);
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
