// The kernels' inner loops exist once for each instruction set (isa_kernels.cc, compiled with each set's flags); the
// best that the machine has is chosen once. Tests and benchmarks reach all of them here.
#pragma once

#include <cstdint>

#include "kernels/cpu/attend.h"
#include "kernels/cpu/attend_scratch.h"
#include "kernels/cpu/gelu.h"
#include "kernels/cpu/layer_norm.h"
#include "kernels/cpu/readout.h"
#include "kernels/cpu/round_rows.h"

namespace ablate::kernels::cpu {

// x86-64-v4 (AVX-512), x86-64-v3 (AVX2 and FMA), whatever the compiler targets by default.
enum class Isa { kDefault, kAvx2, kAvx512 };

template <typename T>
struct KernelTable {
  void (*attend)(const AttendArgs<T>&, int64_t, int64_t, const AttendScratch<T>&);
  void (*layer_norm)(const LayerNormArgs<T>&, int64_t, int64_t);
  void (*bias_gelu)(const BiasGeluArgs<T>&, int64_t, int64_t);
  // Null but for float.
  void (*round_rows)(const RoundRowsArgs&, int64_t, int64_t);
  void (*readout)(const ReadoutQuery<T>*, int32_t, ReadoutRow*, int64_t, int64_t);
};

bool IsSupported(Isa isa);
// `avx512`, `avx2` or `default`.
const char* Name(Isa isa);
// What the kernels use: the best supported one, unless SetIsa chose another.
Isa CurrentIsa();
// For tests and benchmarks, while no kernel runs: isa must be supported.
void SetIsa(Isa isa);

template <typename T>
const KernelTable<T>& Kernels();

extern template const KernelTable<float>& Kernels<float>();
extern template const KernelTable<double>& Kernels<double>();

}  // namespace ablate::kernels::cpu
