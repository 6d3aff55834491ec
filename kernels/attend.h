// attend: causal attention over packed rows. Each row brings its own tokens from `begin` on and reads the earlier keys
// and values from the baseline row of its prompt.
//
//   z[t, h] = sum_j p[j] v[j, h],  p = softmax_j(scale * q[t, h] . k[j, h]),  j = 0 .. position of t
//
// The bias of q, k and v is taken here, so that the GEMM before needs no pass over its result for it: q gets its own;
// the weights p add up to 1, so that z gets v's whole; and k's adds the same to all of a query's scores, which softmax
// does not see.
//
// A token's result depends on its own query and the keys up to its position only: bit for bit the same in whatever row
// it is computed, and whatever runs beside it. NaN and Inf stay where causality lets them reach.
#pragma once

#include <cstdint>

namespace ablate::kernels {

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

}  // namespace ablate::kernels
