// Gathers what two engines' runs of the cases of one length differ in.
#pragma once

#include <cstdint>
#include <vector>

#include "server/verify/calibration.h"
#include "server/verify/case_run.h"
#include "server/verify/verify.h"

namespace ablate {

class Comparison {
 public:
  explicit Comparison(int32_t n_tokens);

  // Both ran `made`.
  void Add(const CalibrationCase& made, const CaseRun& subject, const CaseRun& reference);

  // What has been added so far; `errors` in the order of MeasuredColumns.
  LengthReport length() const { return length_; }
  std::vector<ColumnError> errors() const;

 private:
  void AddRow(int32_t variant, const RunRow& subject, const RunRow& reference);
  void AddInteractions(const CalibrationCase& made, const CaseRun& subject, const CaseRun& reference);
  void AddRanking(const CalibrationCase& made, size_t read, const CaseRun& subject, const CaseRun& reference);

  LengthReport length_;
  // Absolute errors by column, as MeasuredColumns.
  std::vector<std::vector<double>> errors_;
};

}  // namespace ablate
