#include "engine/forward/effect_cells.h"

#include <algorithm>

namespace ablate {
namespace {

// Of the newest cell.
void MarkEdits(const LayerPlan& plan, int32_t row, int32_t position, int32_t n_heads, EffectCells& cells) {
  const size_t begin = cells.edited.size();
  cells.edited.resize(begin + n_heads, 0);
  for (int32_t e = plan.row_edit_begin[row]; e < plan.row_edit_begin[row + 1]; ++e) {
    const RowEdit& edit = plan.row_edits[e];
    if (edit.positions.begin <= position && position < edit.positions.end) cells.edited[begin + edit.head] = 1;
  }
}

}  // namespace

EffectCells FindCells(const LayerPlan& plan, const EffectCells& before, const EffectReads& reads) {
  EffectCells cells;
  const size_t n_rows = plan.parent.size();
  cells.first_cell.assign(n_rows, -1);
  cells.first_read.assign(n_rows, 0);
  cells.is_unedited.assign(n_rows, 0);
  for (size_t r = 0; r < n_rows; ++r) {
    const bool parent_is = before.is_unedited.empty() || before.is_unedited[plan.parent[r]] != 0;
    cells.is_unedited[r] = parent_is && plan.row_edit_begin[r] == plan.row_edit_begin[r + 1];
  }
  cells.unedited_token.assign(reads.n_reads, 0);
  for (size_t m = 0; m < plan.row.size(); ++m) {
    const int32_t row = plan.row[m], position = plan.position[m], parent = plan.parent[row];
    const Row& from = plan.rows[parent];
    const int64_t first_read = reads.first_read[from.prompt];
    if (first_read < 0 || (from.is_donor && cells.is_unedited[row] != 0)) continue;
    const std::vector<int32_t>& positions = reads.scans[from.prompt].read_positions;
    const auto found = std::lower_bound(positions.begin(), positions.end(), position);
    if (found == positions.end() || *found != position) continue;
    const auto read = static_cast<int32_t>(found - positions.begin());
    if (cells.is_unedited[row] != 0) {
      cells.unedited_token[first_read + read] = static_cast<int64_t>(m);
      continue;
    }
    if (cells.first_cell[row] < 0) {
      cells.first_cell[row] = static_cast<int32_t>(cells.token.size());
      cells.first_read[row] = read;
    }
    cells.token.push_back(static_cast<int64_t>(m));
    cells.read.push_back(first_read + read);
    const bool has_parent =
        !before.first_cell.empty() && before.first_cell[parent] >= 0 && read >= before.first_read[parent];
    cells.parent.push_back(has_parent ? 1 + before.first_cell[parent] + read - before.first_read[parent] : 0);
    MarkEdits(plan, row, position, reads.n_heads, cells);
  }
  return cells;
}

}  // namespace ablate
