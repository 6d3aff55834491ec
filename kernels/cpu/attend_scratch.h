// attend's working memory, owned by the calling thread (attend.cc).
#pragma once

#include <cstdint>

namespace ablate::kernels::cpu {

// Multiples of every instruction set's tile of keys and of its vector, and its largest group of queries (simd.h, which
// attend_impl.h holds against these).
inline constexpr int64_t kTokensMultiple = 64;
inline constexpr int64_t kLanesMax = 16;
inline constexpr int64_t kQueriesMax = 6;

// Contents need no initial value other than that they are readable. T_up: the longest row, rounded up to
// kTokensMultiple.
template <typename T>
struct AttendScratch {
  T* keys = nullptr;         // [T_up / lanes][Dh][lanes]
  T* values = nullptr;       // [T_up, Dh rounded up to whole vectors]
  T* scores = nullptr;       // [queries of a group, score_stride]
  T* z = nullptr;            // [queries of a group, Dh rounded up]
  T* queries = nullptr;      // likewise
  int64_t score_stride = 0;  // at least T_up
};

}  // namespace ablate::kernels::cpu
