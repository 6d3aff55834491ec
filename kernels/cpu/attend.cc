#include "kernels/cpu/attend.h"

#include <algorithm>
#include <cstddef>
#include <vector>

#include "kernels/cpu/attend_scratch.h"
#include "kernels/cpu/isa.h"

namespace ablate::kernels::cpu {
namespace {

int64_t RoundUp(int64_t n, int64_t multiple) {
  return (n + multiple - 1) / multiple * multiple;
}

// Grows with the longest row that the thread has met, and is kept for its next call.
template <typename T>
AttendScratch<T> ThreadScratch(int64_t longest, int64_t d_head) {
  thread_local std::vector<T> memory;
  const int64_t tokens = RoundUp(longest, kTokensMultiple);
  const int64_t d_padded = RoundUp(d_head, kLanesMax);
  // No multiple of 4 KiB, so that the queries' rows do not fall into the same sets of the cache.
  const int64_t score_stride = tokens + kLanesMax;
  const int64_t aligned = 64 / static_cast<int64_t>(sizeof(T));
  const auto size = static_cast<size_t>(2 * tokens * d_padded + kQueriesMax * (score_stride + 2 * d_padded) + aligned);
  if (memory.size() < size) memory.assign(size, T{0});
  T* at = memory.data();
  const auto misaligned = static_cast<int64_t>(reinterpret_cast<uintptr_t>(at) % 64 / sizeof(T));
  if (misaligned != 0) at += aligned - misaligned;
  AttendScratch<T> scratch;
  scratch.keys = at;
  scratch.values = scratch.keys + tokens * d_padded;
  scratch.scores = scratch.values + tokens * d_padded;
  scratch.z = scratch.scores + kQueriesMax * score_stride;
  scratch.queries = scratch.z + kQueriesMax * d_padded;
  scratch.score_stride = score_stride;
  return scratch;
}

}  // namespace

template <typename T>
void Attend(const AttendArgs<T>& args, int64_t task_begin, int64_t task_end) {
  if (task_begin >= task_end) return;
  int64_t longest = 0;
  for (int64_t row = task_begin / args.n_heads; row <= (task_end - 1) / args.n_heads; ++row) {
    longest = std::max<int64_t>(longest, args.rows[row].end);
  }
  Kernels<T>().attend(args, task_begin, task_end, ThreadScratch<T>(longest, args.d_head));
}

template void Attend<float>(const AttendArgs<float>&, int64_t, int64_t);
template void Attend<double>(const AttendArgs<double>&, int64_t, int64_t);

}  // namespace ablate::kernels::cpu
