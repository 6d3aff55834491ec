// How attend runs one head of one row. First it packs keys and values:
//   keys      transposed by vectors, K^T [T / lanes][Dh][lanes]
//   values    [T, Dp], Dp = Dh rounded up to whole vectors
// Then, for each group of kQueries neighbouring positions, whose queries get their bias first:
//   scores    S[q][j] = scale * q . k_j; lanes are keys, the sum over Dh is one chain in order
//   softmax   p = exp(s - max) and its sum; lanes are keys, j mod lanes
//   weighted  z[q] = sum_j p_j v_j; lanes are Dh, one chain a block of kKeyBlock keys, then the blocks in order, then
//             v's bias
//
// Both products keep kQueries x kTileVectors accumulators in registers. No step of a query's arithmetic depends on
// which queries share its group, and no key behind its position enters, not even times zero (a NaN would).
#pragma once

#include "kernels/cpu/attend.h"
#include "kernels/cpu/attend_scratch.h"
#include "kernels/cpu/exp_impl.h"

namespace ablate::kernels::cpu::ABLATE_ISA {

inline constexpr int64_t kKeyBlock = 128;

template <typename T>
struct Head {
  const AttendArgs<T>& args;
  AttendScratch<T> scratch;
  int64_t head;

  int64_t token_stride() const { return int64_t{3} * args.n_heads * args.d_head; }
  int64_t d_padded() const { return (args.d_head + kLanes<T> - 1) / kLanes<T> * kLanes<T>; }
  // part 0: q, 1: k, 2: v.
  const T* part(int64_t token, int64_t which) const { return args.qkv + token * token_stride() + offset(which); }
  const T* bias(int64_t which) const { return args.bias + offset(which); }
  int64_t offset(int64_t which) const { return (which * args.n_heads + head) * args.d_head; }
};

typedef float Four __attribute__((vector_size(16)));
typedef int32_t FourIndices __attribute__((vector_size(16)));

// Elements d .. d + 3 of four keys to four lanes of K^T.
ABLATE_INLINE void TransposeFour(const float* const key[4], int64_t d, float* column, int64_t stride) {
  Four row[4];
  for (int i = 0; i < 4; ++i) memcpy(&row[i], key[i] + d, sizeof(Four));
  const FourIndices low = {0, 4, 1, 5}, high = {2, 6, 3, 7}, first = {0, 1, 4, 5}, second = {2, 3, 6, 7};
  const Four a = __builtin_shuffle(row[0], row[1], low), b = __builtin_shuffle(row[2], row[3], low);
  const Four c = __builtin_shuffle(row[0], row[1], high), e = __builtin_shuffle(row[2], row[3], high);
  const Four out[4] = {__builtin_shuffle(a, b, first), __builtin_shuffle(a, b, second), __builtin_shuffle(c, e, first),
                       __builtin_shuffle(c, e, second)};
  for (int i = 0; i < 4; ++i) memcpy(column + (d + i) * stride, &out[i], sizeof(Four));
}

template <typename T>
ABLATE_INLINE void PackKeys(const Head<T>& h, int64_t first_token, int64_t begin, int64_t end) {
  constexpr int64_t kStride = kLanes<T>;
  const int64_t d_head = h.args.d_head;
  for (int64_t j = begin; j < end; ++j) {
    const T* key = h.part(first_token + j - begin, 1);
    T* column = h.scratch.keys + j / kStride * kStride * d_head + j % kStride;
    int64_t d = 0;
    if constexpr (sizeof(T) == 4) {
      if (j % 4 == 0 && j + 4 <= end) {
        const int64_t next = h.token_stride();
        const T* const keys[4] = {key, key + next, key + 2 * next, key + 3 * next};
        for (; d + 4 <= d_head; d += 4) TransposeFour(keys, d, column, kStride);
        for (; d < d_head; ++d) {
          for (int i = 0; i < 4; ++i) column[d * kStride + i] = keys[i][d];
        }
        j += 3;
        continue;
      }
    }
    for (; d < d_head; ++d) column[d * kStride] = key[d];
  }
}

template <typename T>
ABLATE_INLINE void PackValues(const Head<T>& h, int64_t first_token, int64_t begin, int64_t end) {
  const int64_t d_head = h.args.d_head;
  const int64_t d_padded = h.d_padded();
  for (int64_t j = begin; j < end; ++j) {
    const T* value = h.part(first_token + j - begin, 2);
    T* to = h.scratch.values + j * d_padded;
    int64_t d = 0;
    for (; d + kLanes<T> <= d_head; d += kLanes<T>) Store<T>(to + d, Load<T>(value + d));
    for (; d < d_head; ++d) to[d] = value[d];
  }
}

// S[q][0, K vectors) for one tile of keys.
template <typename T, int Q, int K>
ABLATE_INLINE void ScoreTile(const T* query, int64_t query_stride, const T* tile, int64_t d_head, T scale, T* scores,
                             int64_t score_stride) {
  Vector<T> acc[Q][K] = {};
  for (int64_t d = 0; d < d_head; ++d) {
    Vector<T> keys[K];
#pragma GCC unroll 8
    for (int k = 0; k < K; ++k) keys[k] = Load<T>(tile + (k * d_head + d) * kLanes<T>);
#pragma GCC unroll 8
    for (int q = 0; q < Q; ++q) {
      const Vector<T> broadcast = Set<T>(query[q * query_stride + d]);
#pragma GCC unroll 8
      for (int k = 0; k < K; ++k) acc[q][k] = Fma<T>(broadcast, keys[k], acc[q][k]);
    }
  }
#pragma GCC unroll 8
  for (int q = 0; q < Q; ++q) {
#pragma GCC unroll 8
    for (int k = 0; k < K; ++k) Store<T>(scores + q * score_stride + k * kLanes<T>, acc[q][k] * scale);
  }
}

// p = exp(s - max) in place of the n scores, 0 behind them up to a whole vector; returns the sum.
template <typename T>
ABLATE_INLINE T SoftmaxRow(T* scores, int64_t n) {
  const Vector<T> lowest = Set<T>(-static_cast<T>(__builtin_inf()));
  const int64_t whole = n - n % kLanes<T>;
  Vector<T> largest = lowest;
  for (int64_t j = 0; j < whole; j += kLanes<T>) largest = Max<T>(largest, Load<T>(scores + j));
  if (whole < n) largest = Max<T>(largest, KeepFirst<T>(Load<T>(scores + whole), n - whole, lowest));
  const Vector<T> shift = Set<T>(Largest<T>(largest));
  Vector<T> sum = {};
  for (int64_t j = 0; j < whole; j += kLanes<T>) {
    const Vector<T> p = Exp(Load<T>(scores + j) - shift);
    Store<T>(scores + j, p);
    sum += p;
  }
  if (whole < n) {
    const Vector<T> p = KeepFirst<T>(Exp(Load<T>(scores + whole) - shift), n - whole, Vector<T>{});
    Store<T>(scores + whole, p);
    sum += p;
  }
  return Sum<T>(sum);
}

// z[q][0, D vectors) (+)= sum over keys [key_begin, key_end) up to query q's position of p[q][j] v[j].
template <typename T, int Q, int D>
ABLATE_INLINE void WeightedTile(const T* p, int64_t p_stride, int64_t position, int64_t key_begin, int64_t key_end,
                                const T* values, int64_t d_padded, T* z) {
  Vector<T> acc[Q][D] = {};
  // Keys that every query of the group sees.
  const int64_t common_end = key_end < position + 1 ? key_end : position + 1;
  int64_t j = key_begin;
  for (; j < common_end; ++j) {
    Vector<T> value[D];
#pragma GCC unroll 8
    for (int d = 0; d < D; ++d) value[d] = Load<T>(values + j * d_padded + d * kLanes<T>);
#pragma GCC unroll 8
    for (int q = 0; q < Q; ++q) {
      const Vector<T> broadcast = Set<T>(p[q * p_stride + j]);
#pragma GCC unroll 8
      for (int d = 0; d < D; ++d) acc[q][d] = Fma<T>(broadcast, value[d], acc[q][d]);
    }
  }
  // The triangle at the diagonal.
  const int64_t last_end = key_end < position + Q ? key_end : position + Q;
  for (; j < last_end; ++j) {
#pragma GCC unroll 8
    for (int q = 1; q < Q; ++q) {
      if (position + q < j) continue;
      const Vector<T> broadcast = Set<T>(p[q * p_stride + j]);
#pragma GCC unroll 8
      for (int d = 0; d < D; ++d) {
        acc[q][d] = Fma<T>(broadcast, Load<T>(values + j * d_padded + d * kLanes<T>), acc[q][d]);
      }
    }
  }
#pragma GCC unroll 8
  for (int q = 0; q < Q; ++q) {
    if (position + q < key_begin) continue;
#pragma GCC unroll 8
    for (int d = 0; d < D; ++d) {
      T* to = z + q * d_padded + d * kLanes<T>;
      Store<T>(to, key_begin == 0 ? acc[q][d] : Load<T>(to) + acc[q][d]);
    }
  }
}

template <typename T, int Q>
ABLATE_INLINE void ScoreGroup(const Head<T>& h, int64_t n_keys) {
  const int64_t d_head = h.args.d_head;
  const int64_t n_vectors = (n_keys + kLanes<T> - 1) / kLanes<T>;
  int64_t v = 0;
  const auto tile = [&](auto n) __attribute__((always_inline)) {
    ScoreTile<T, Q, n.value>(h.scratch.queries, h.d_padded(), h.scratch.keys + v * kLanes<T> * d_head, d_head,
                             h.args.scale, h.scratch.scores + v * kLanes<T>, h.scratch.score_stride);
  };
  for (; v + kTileVectors <= n_vectors; v += kTileVectors) tile(Int<kTileVectors>{});
  switch (n_vectors - v) {
    case 1:
      return tile(Int<1>{});
    case 2:
      return tile(Int<2>{});
    case 3:
      return tile(Int<3>{});
    default:
      return;
  }
}

template <typename T, int Q>
ABLATE_INLINE void WeighGroup(const Head<T>& h, int64_t position) {
  const int64_t n_keys = position + Q;
  const int64_t d_padded = h.d_padded();
  const int64_t n_vectors = d_padded / kLanes<T>;
  for (int64_t begin = 0; begin < n_keys; begin += kKeyBlock) {
    const int64_t end = begin + kKeyBlock < n_keys ? begin + kKeyBlock : n_keys;
    int64_t v = 0;
    const auto tile = [&](auto n) __attribute__((always_inline)) {
      WeightedTile<T, Q, n.value>(h.scratch.scores, h.scratch.score_stride, position, begin, end,
                                  h.scratch.values + v * kLanes<T>, d_padded, h.scratch.z + v * kLanes<T>);
    };
    for (; v + kTileVectors <= n_vectors; v += kTileVectors) tile(Int<kTileVectors>{});
    switch (n_vectors - v) {
      case 1:
        tile(Int<1>{});
        break;
      case 2:
        tile(Int<2>{});
        break;
      case 3:
        tile(Int<3>{});
        break;
      default:
        break;
    }
  }
}

// to[0, n) = from[0, n) * scale + bias[0, n).
template <typename T>
ABLATE_INLINE void ScaleAndAdd(const T* from, T scale, const T* bias, int64_t n, T* to) {
  int64_t d = 0;
  for (; d + kLanes<T> <= n; d += kLanes<T>) Store<T>(to + d, Load<T>(from + d) * scale + Load<T>(bias + d));
  for (; d < n; ++d) to[d] = from[d] * scale + bias[d];
}

// Positions [position, position + Q) of a row whose token `token` is at `position`.
template <typename T, int Q>
__attribute__((noinline)) void AttendGroup(const Head<T>& h, int64_t token, int64_t position) {
  const int64_t d_head = h.args.d_head;
  const int64_t d_padded = h.d_padded();
  for (int q = 0; q < Q; ++q) {
    ScaleAndAdd<T>(h.part(token + q, 0), static_cast<T>(1), h.bias(0), d_head, h.scratch.queries + q * d_padded);
  }
  ScoreGroup<T, Q>(h, position + Q);
  T inverse[Q];
  for (int q = 0; q < Q; ++q) {
    inverse[q] = static_cast<T>(1) / SoftmaxRow<T>(h.scratch.scores + q * h.scratch.score_stride, position + q + 1);
  }
  WeighGroup<T, Q>(h, position);
  for (int q = 0; q < Q; ++q) {
    T* to = h.args.z + ((token + q) * h.args.n_heads + h.head) * d_head;
    ScaleAndAdd<T>(h.scratch.z + q * d_padded, inverse[q], h.bias(2), d_head, to);
  }
}

template <typename T>
ABLATE_INLINE void AttendQueries(const Head<T>& h, const AttendRow& row) {
  static_assert(kQueries == 6);
  static_assert(kQueries <= kQueriesMax && kLanes<T> <= kLanesMax && kTokensMultiple % (kTileVectors * kLanes<T>) == 0);
  int64_t position = row.begin;
  const auto token = [&] { return row.first_token + position - row.begin; };
  for (; position + kQueries <= row.end; position += kQueries) AttendGroup<T, kQueries>(h, token(), position);
  switch (row.end - position) {
    case 1:
      return AttendGroup<T, 1>(h, token(), position);
    case 2:
      return AttendGroup<T, 2>(h, token(), position);
    case 3:
      return AttendGroup<T, 3>(h, token(), position);
    case 4:
      return AttendGroup<T, 4>(h, token(), position);
    case 5:
      return AttendGroup<T, 5>(h, token(), position);
    default:
      return;
  }
}

// Goes through tasks one by one. The packed buffers hold positions [0, n_baseline) of one head of one baseline, from
// where the next task goes on if it reads the same.
template <typename T>
struct TaskRunner {
  Head<T> h;
  int64_t baseline_first = -1;
  int64_t n_baseline = 0;

  void Run(const AttendRow& row, int64_t head) {
    if (row.begin >= row.end) return;
    if (h.head != head || baseline_first != row.baseline_first) n_baseline = 0;
    h.head = head;
    baseline_first = row.baseline_first;
    if (n_baseline < row.begin) {
      PackKeys<T>(h, row.baseline_first + n_baseline, n_baseline, row.begin);
      PackValues<T>(h, row.baseline_first + n_baseline, n_baseline, row.begin);
    }
    PackKeys<T>(h, row.first_token, row.begin, row.end);
    PackValues<T>(h, row.first_token, row.begin, row.end);
    const bool is_baseline = row.first_token == row.baseline_first + row.begin;
    n_baseline = is_baseline ? row.end : row.begin;
    AttendQueries<T>(h, row);
  }
};

// Most of what the row reads is its baseline's.
ABLATE_INLINE bool ReadsMostlyBaseline(const AttendRow& row) {
  return row.begin > row.end - row.begin;
}

// Row by row, whose tokens then stay in the cache for all heads; but neighbours that mostly read one baseline head by
// head, so that its keys are packed once for all of them.
template <typename T>
void AttendTasks(const AttendArgs<T>& args, int64_t task_begin, int64_t task_end, const AttendScratch<T>& scratch) {
  TaskRunner<T> runner{{args, scratch, -1}};
  const int64_t n_heads = args.n_heads;
  for (int64_t task = task_begin; task < task_end;) {
    const int64_t row = task / n_heads;
    const int64_t head = task % n_heads;
    int64_t run_end = row;
    while ((run_end + 1) * n_heads <= task_end && ReadsMostlyBaseline(args.rows[run_end]) &&
           args.rows[run_end].baseline_first == args.rows[row].baseline_first) {
      ++run_end;
    }
    if (head != 0 || run_end < row + 2) {
      runner.Run(args.rows[row], head);
      ++task;
      continue;
    }
    for (int64_t every_head = 0; every_head < n_heads; ++every_head) {
      for (int64_t r = row; r < run_end; ++r) runner.Run(args.rows[r], every_head);
    }
    task = run_end * n_heads;
  }
}

}  // namespace ablate::kernels::cpu::ABLATE_ISA
