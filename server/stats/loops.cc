#include "server/stats/loops.h"

// A sanitizer's runtime is not up yet when the linker asks which clone to take.
#if defined(__x86_64__) && defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define ABLATE_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define ABLATE_CLONES
#endif

namespace ablate::stats {

ABLATE_CLONES
void SumRows(const int32_t* row, const double* weight, size_t n, const double* panel, double* sum) {
  double total[kColumns] = {};
  for (size_t k = 0; k < n; ++k) {
    const double* values = panel + row[k] * kColumns;
    for (size_t j = 0; j < kColumns; ++j) total[j] += weight[k] * values[j];
  }
  for (size_t j = 0; j < kColumns; ++j) sum[j] = total[j];
}

ABLATE_CLONES
void AddTableRows(const uint8_t* low_row, const uint8_t* high_row, size_t n, const double* low, const double* high,
                  double* sums) {
  for (size_t i = 0; i < n; ++i) {
    const double* a = low + low_row[i] * kColumns;
    const double* b = high + high_row[i] * kColumns;
    double* __restrict__ sum = sums + i * kColumns;
    for (size_t j = 0; j < kColumns; ++j) sum[j] += a[j] + b[j];
  }
}

}  // namespace ablate::stats
