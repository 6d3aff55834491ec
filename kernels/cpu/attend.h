// attend: causal attention over packed rows on the CPU. Each row brings its own tokens from `begin` on and reads the
// earlier keys and values from the baseline row of its prompt.
//
//   z[t, h] = sum_j p[j] v[j, h],  p = softmax_j(scale * q[t, h] . k[j, h]),  j = 0 .. position of t
//
// The bias of q, k and v is taken here, so that the GEMM before needs no pass over its result for it: q gets its own;
// the weights p add up to 1, so that z gets v's whole; and k's adds the same to all of a query's scores, which softmax
// does not see.
//
// A token's result depends on its own query and the keys up to its position only: bit for bit the same in whatever row,
// range or thread it is computed. NaN and Inf stay where causality lets them reach.
#pragma once

#include <cstdint>

namespace ablate::kernels::cpu {

// One row's place: tokens of positions [begin, end) packed at first_token; positions [0, begin) are read from the
// baseline row, whose position 0 is packed at baseline_first.
struct AttendRow {
  int32_t begin = 0;
  int32_t end = 0;
  int32_t first_token = 0;
  int32_t baseline_first = 0;
};

template <typename T>
struct AttendArgs {
  const T* qkv = nullptr;           // [N, 3, H, Dh]
  const AttendRow* rows = nullptr;  // [R]
  int32_t n_heads = 0;              // H
  int32_t d_head = 0;               // Dh
  T scale = 0;                      // 1 / sqrt(Dh); positive
  T* z = nullptr;                   // [N, H, Dh]; only the rows' own tokens are written
  const T* bias = nullptr;          // [3, H, Dh]
};

// Runs tasks [task_begin, task_end) of the R * H; task t is head t % H of row t / H. Ranges may run at once in several
// threads. Fast where each is a few long ones and a prompt's rows are neighbours: they then share its baseline's packed
// keys.
template <typename T>
void Attend(const AttendArgs<T>& args, int64_t task_begin, int64_t task_end);

// How many multiply-adds a row costs in each head: what to split tasks by where rows are of unequal length.
inline int64_t AttendCost(const AttendRow& row, int32_t d_head) {
  const int64_t begin = row.begin, end = row.end;
  return (end * (end + 1) - begin * (begin + 1)) * d_head;
}

extern template void Attend<float>(const AttendArgs<float>&, int64_t, int64_t);
extern template void Attend<double>(const AttendArgs<double>&, int64_t, int64_t);

}  // namespace ablate::kernels::cpu
