#include "server/result_limits.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/delta_table.h"
#include "server/errors.h"
#include "server/row_blocks.h"
#include "server/stats/clusters.h"
#include "server/stats/summary.h"

namespace ablate {
namespace {

namespace pb = ::ablation::v1;

// Of the prompts that are estimated on.
int64_t NumClusters(const PreparedRequest& prepared, bool is_split) {
  std::vector<std::string> templates;
  templates.reserve(prepared.prompts.size());
  for (const PreparedPrompt& prompt : prepared.prompts) templates.push_back(prompt.template_name);
  const int64_t count = stats::MakeClusters(templates).count;
  return is_split ? count - count / 2 : count;
}

// Draws of one procedure, and what each of them takes.
struct Draws {
  const char* field;
  int64_t count;
  int64_t clusters, entries;
  int64_t each, max_work;
};

absl::Status CheckDraws(const Draws& draws) {
  // Two factors of the three are at most some 10^8 together, and the third at most 10^6.
  if (draws.count * draws.each <= draws.max_work) return absl::OkStatus();
  return BadField(draws.field, "TOO_MANY_DRAWS",
                  absl::StrCat("got ", draws.count, " with ", draws.clusters, " clusters and ", draws.entries,
                               " entries, expected at most ", draws.max_work / draws.each,
                               " with so many: they would take minutes"));
}

}  // namespace

absl::Status CheckResultSize(const PreparedRequest& prepared) {
  for (size_t p = 0; p < prepared.prompts.size(); ++p) {
    const int64_t bytes = ResultBytes(prepared, p);
    if (bytes <= kMaxResultBytes) continue;
    return OverQuota("RESULTS_TOO_LARGE",
                     absl::StrCat("prompts[", p, "] gives ", prepared.rows_of(p), " rows, with all that is read ",
                                  bytes, " bytes, expected at most ", kMaxResultBytes,
                                  ": read fewer positions, or sweep over fewer sites or positions at a time"));
  }
  return absl::OkStatus();
}

absl::Status CheckSummarySize(const pb::AblateRequest& request, const PreparedRequest& prepared) {
  if (!request.has_summary()) return absl::OkStatus();
  const int64_t values = DeltaTable::ValuesOf(prepared);
  if (values > kMaxDeltaValues) {
    return OverQuota("SUMMARY_TOO_LARGE", absl::StrCat("summary: (prompts + ", kFigureValues,
                                                       ") x replacements x variants x edit and read positions are ",
                                                       values, " values, expected at most ", kMaxDeltaValues,
                                                       ": ask for less, or without a summary"));
  }
  const pb::SummaryOptions& asked = request.summary();
  const stats::SummaryOptions defaults;
  const int64_t clusters = NumClusters(prepared, asked.split());
  const int64_t entries = DeltaTable::EntriesOf(prepared);
  const int64_t resamples =
      asked.bootstrap_resamples() > 0 ? asked.bootstrap_resamples() : defaults.bootstrap_resamples;
  absl::Status status = CheckDraws({.field = "summary.bootstrap_resamples",
                                    .count = resamples,
                                    .clusters = clusters,
                                    .entries = entries,
                                    .each = (clusters + 50) * (entries + 100),
                                    .max_work = kMaxBootstrapWork});
  // Where none are made, so many cost nothing.
  const bool has_flips = !request.sweep().has_pairs() && clusters >= defaults.min_test_clusters;
  if (!status.ok() || !has_flips) return status;
  const auto replacements = static_cast<int64_t>(prepared.replacements.size());
  return CheckDraws({.field = "summary.sign_flips",
                     .count = asked.sign_flips() > 0 ? asked.sign_flips() : defaults.sign_flips,
                     .clusters = clusters,
                     .entries = entries,
                     .each = (clusters + 200) * (entries + 100 * replacements),
                     .max_work = kMaxSignFlipWork});
}

}  // namespace ablate
