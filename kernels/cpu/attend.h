// attend on the CPU (kernels/attend.h).
#pragma once

#include <cstdint>

#include "kernels/attend.h"

namespace ablate::kernels::cpu {

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
