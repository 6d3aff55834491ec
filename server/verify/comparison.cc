#include "server/verify/comparison.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "server/stats/rank.h"
#include "server/verify/columns.h"
#include "server/verify/ranking.h"

namespace ablate {
namespace {

constexpr int32_t kTop = 10;

double Interaction(const CalibrationPair& pair, size_t read, const CaseRun& run) {
  const size_t column = DeltaLogitDiffColumn();
  return run.At(pair.both, read).values[column] - run.At(pair.first, read).values[column] -
         run.At(pair.second, read).values[column];
}

}  // namespace

Comparison::Comparison(int32_t n_tokens) : errors_(MeasuredColumns().size()) {
  length_.n_tokens = n_tokens;
  length_.spearman_worst = 1;
}

void Comparison::Add(const CalibrationCase& made, const CaseRun& subject, const CaseRun& reference) {
  ++length_.n_prompts;
  length_.seconds += subject.seconds;
  length_.reference_seconds += reference.seconds;
  for (size_t read = 0; read < subject.n_reads; ++read) {
    for (int32_t variant = kDonorVariant; variant < std::ssize(made.scan.variants); ++variant) {
      AddRow(variant, subject.At(variant, read), reference.At(variant, read));
    }
    AddRanking(made, read, subject, reference);
  }
  AddInteractions(made, subject, reference);
}

void Comparison::AddRow(int32_t variant, const RunRow& subject, const RunRow& reference) {
  const absl::Span<const Column> columns = RowColumns();
  for (size_t i = 0; i < columns.size(); ++i) {
    if (columns[i].is_change && variant < 0) continue;
    errors_[i].push_back(std::abs(subject.values[i] - reference.values[i]));
  }
  // Place by place: near a tie the tokens may change places, their log-probs hardly.
  for (size_t k = 0; k < subject.top_k_logprob.size(); ++k) {
    errors_.back().push_back(std::abs(subject.top_k_logprob[k] - reference.top_k_logprob[k]));
  }
  ++length_.n_rows;
  if (subject.top_k_id[0] == reference.top_k_id[0]) ++length_.n_top1_equal;
}

void Comparison::AddInteractions(const CalibrationCase& made, const CaseRun& subject, const CaseRun& reference) {
  std::vector<double>& errors = errors_[errors_.size() - 2];
  for (const CalibrationPair& pair : made.pairs) {
    for (size_t read = 0; read < subject.n_reads; ++read) {
      errors.push_back(std::abs(Interaction(pair, read, subject) - Interaction(pair, read, reference)));
    }
  }
}

void Comparison::AddRanking(const CalibrationCase& made, size_t read, const CaseRun& subject,
                            const CaseRun& reference) {
  std::vector<double> ours, exact;
  for (const int32_t variant : made.sweep) {
    ours.push_back(subject.At(variant, read).values[DeltaLogitDiffColumn()]);
    exact.push_back(reference.At(variant, read).values[DeltaLogitDiffColumn()]);
  }
  length_.n_heads = static_cast<int32_t>(ours.size());
  length_.top = std::min(kTop, length_.n_heads);
  const double spearman = stats::Spearman(ours, exact);
  const int32_t overlap = TopOverlap(ours, exact, length_.top);
  // Means of those so far.
  const int32_t n = ++length_.n_rankings;
  length_.spearman_mean += (spearman - length_.spearman_mean) / n;
  length_.overlap_mean += (overlap - length_.overlap_mean) / n;
  length_.spearman_worst = n == 1 ? spearman : std::min(length_.spearman_worst, spearman);
  length_.overlap_worst = n == 1 ? overlap : std::min(length_.overlap_worst, overlap);
}

std::vector<ColumnError> Comparison::errors() const {
  const std::vector<absl::string_view> names = MeasuredColumns();
  std::vector<ColumnError> made;
  made.reserve(names.size());
  for (size_t i = 0; i < names.size(); ++i) {
    made.push_back(
        {.column = std::string(names[i]), .n_tokens = length_.n_tokens, .stats = MakeErrorStats(errors_[i])});
  }
  return made;
}

}  // namespace ablate
