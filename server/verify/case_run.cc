#include "server/verify/case_run.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "engine/plan/site.h"
#include "server/verify/columns.h"

namespace ablate {
namespace {

// Unedited runs in front: kDonorVariant is 0.
constexpr int32_t kFirst = -kDonorVariant;

std::string RowName(const Scan& scan, int32_t variant, int32_t position) {
  std::string name = "an unknown row";
  if (variant == kBaselineVariant) name = "the baseline";
  if (variant == kDonorVariant) name = "the donor";
  if (variant >= 0) {
    std::vector<std::string> labels;
    for (const Edit& edit : scan.variants[variant].edits) labels.push_back(Label(edit.site));
    name =
        labels.size() <= 2 ? absl::StrJoin(labels, "+") : absl::StrCat(labels[0], " and ", labels.size() - 1, " more");
  }
  return absl::StrCat(name, " at position ", position, " of ", scan.token_ids.size(), " tokens");
}

absl::Status CheckFinite(const Scan& scan, int32_t variant, int32_t position, const RunRow& row) {
  const auto check = [&](absl::string_view column, double value) {
    if (std::isfinite(value)) return absl::OkStatus();
    return absl::DataLossError(absl::StrCat("column ", column, " of ", RowName(scan, variant, position), " is ", value,
                                            ", expected a finite number"));
  };
  for (size_t i = 0; i < row.values.size(); ++i) {
    if (absl::Status status = check(RowColumns()[i].name, row.values[i]); !status.ok()) return status;
  }
  for (const double value : row.top_k_logprob) {
    if (absl::Status status = check(kTopKLogprob, value); !status.ok()) return status;
  }
  return absl::OkStatus();
}

// Copies the block's row's part of a column with `width` entries a row.
template <typename Value>
absl::Status CopyTopK(absl::string_view name, const std::vector<Value>& column, const ReadoutBlock& block, size_t row,
                      size_t width, std::vector<Value>& to) {
  if (column.size() != block.variant.size() * width) {
    return absl::InternalError(
        absl::StrCat("column ", name, " has ", column.size(), " entries, expected ", block.variant.size() * width));
  }
  to.assign(column.begin() + row * width, column.begin() + (row + 1) * width);
  return absl::OkStatus();
}

absl::Status Take(const Scan& scan, const ReadoutBlock& block, CaseRun& run) {
  for (size_t i = 0; i < block.variant.size(); ++i) {
    const int32_t variant = block.variant[i];
    const auto& reads = scan.read_positions;
    const auto read = std::find(reads.begin(), reads.end(), block.position[i]);
    if (variant < kDonorVariant || variant >= std::ssize(scan.variants) || read == reads.end()) {
      return absl::InternalError(
          absl::StrCat("variant ", variant, " at position ", block.position[i], " came, which nobody asked for"));
    }
    RunRow& row = run.rows[(kFirst + variant) * run.n_reads + (read - reads.begin())];
    if (!row.values.empty()) {
      return absl::InternalError(absl::StrCat(RowName(scan, variant, *read), " came twice"));
    }
    absl::StatusOr<std::vector<double>> values = ReadColumns(block, i);
    if (!values.ok()) return values.status();
    row.values = *std::move(values);
    absl::Status status = CopyTopK("top_k_id", block.top_k_id, block, i, scan.top_k, row.top_k_id);
    status.Update(CopyTopK(kTopKLogprob, block.top_k_logprob, block, i, scan.top_k, row.top_k_logprob));
    status.Update(CheckFinite(scan, variant, *read, row));
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<CaseRun> RunCase(Engine& engine, const Scan& scan) {
  CaseRun run;
  run.n_reads = scan.read_positions.size();
  run.rows.resize((kFirst + scan.variants.size()) * run.n_reads);
  const absl::Time start = absl::Now();
  const auto stats = engine.Run({&scan, 1}, [&](const ReadoutBlock& block) { return Take(scan, block, run); });
  if (!stats.ok()) return stats.status();
  run.seconds = absl::ToDoubleSeconds(absl::Now() - start);
  for (size_t i = 0; i < run.rows.size(); ++i) {
    if (!run.rows[i].values.empty()) continue;
    const auto variant = static_cast<int32_t>(i / run.n_reads) - kFirst;
    return absl::InternalError(
        absl::StrCat(RowName(scan, variant, scan.read_positions[i % run.n_reads]), " did not come"));
  }
  return run;
}

absl::StatusOr<std::vector<std::vector<int32_t>>> TopTokens(Engine& engine, const Scan& scan) {
  Scan unedited;
  unedited.token_ids = scan.token_ids;
  unedited.read_positions = scan.read_positions;
  unedited.top_k = scan.top_k;
  std::vector<std::vector<int32_t>> top(scan.read_positions.size());
  const auto take = [&](const ReadoutBlock& block) -> absl::Status {
    for (size_t i = 0; i < block.variant.size(); ++i) {
      const auto read = std::find(scan.read_positions.begin(), scan.read_positions.end(), block.position[i]);
      if (read == scan.read_positions.end()) continue;
      absl::Status status =
          CopyTopK("top_k_id", block.top_k_id, block, i, scan.top_k, top[read - scan.read_positions.begin()]);
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  };
  if (auto stats = engine.Run({&unedited, 1}, take); !stats.ok()) return stats.status();
  for (size_t read = 0; read < top.size(); ++read) {
    if (top[read].empty()) {
      return absl::InternalError(
          absl::StrCat(RowName(scan, kBaselineVariant, scan.read_positions[read]), " did not come"));
    }
  }
  return top;
}

}  // namespace ablate
