// The two loops that the statistics spend their time in, over panels of kColumns entries side by side. Compiled for
// several instruction sets, of which the machine's best is taken; all round alike, since each column is summed by
// itself, term by term.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ablate::stats {

inline constexpr size_t kColumns = 16;

// sum[j] = sum over k of weight[k] * panel[row[k]][j]: row and weight [n], panel [.., kColumns], sum [kColumns].
void SumRows(const int32_t* row, const double* weight, size_t n, const double* panel, double* sum);

// sums[i][j] += low[low_row[i]][j] + high[high_row[i]][j]: rows [n], low and high [256, kColumns], sums [n, kColumns].
void AddTableRows(const uint8_t* low_row, const uint8_t* high_row, size_t n, const double* low, const double* high,
                  double* sums);

}  // namespace ablate::stats
