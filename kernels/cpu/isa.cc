#include "kernels/cpu/isa.h"

#include <array>
#include <atomic>

namespace ablate::kernels::cpu {

#define ABLATE_DECLARE_ISA(isa)             \
  namespace isa {                           \
  extern const KernelTable<float> kFloat;   \
  extern const KernelTable<double> kDouble; \
  }
ABLATE_DECLARE_ISA(isa_default)
#if defined(__x86_64__)
ABLATE_DECLARE_ISA(isa_avx2)
ABLATE_DECLARE_ISA(isa_avx512)
#endif
#undef ABLATE_DECLARE_ISA

namespace {

constexpr std::array kAllIsas = {Isa::kAvx512, Isa::kAvx2, Isa::kDefault};

Isa Choose() {
  for (Isa isa : kAllIsas) {
    if (IsSupported(isa)) return isa;
  }
  return Isa::kDefault;
}

std::atomic<Isa>& Current() {
  static std::atomic<Isa> current = Choose();
  return current;
}

}  // namespace

bool IsSupported(Isa isa) {
#if defined(__x86_64__)
  // The levels that kernels/cpu/CMakeLists.txt compiles for; they include what the operating system saves at a switch.
  if (isa == Isa::kAvx512) return __builtin_cpu_supports("x86-64-v4") != 0;
  if (isa == Isa::kAvx2) return __builtin_cpu_supports("x86-64-v3") != 0;
#endif
  return isa == Isa::kDefault;
}

const char* Name(Isa isa) {
  switch (isa) {
    case Isa::kAvx512:
      return "avx512";
    case Isa::kAvx2:
      return "avx2";
    case Isa::kDefault:
      break;
  }
  return "default";
}

Isa CurrentIsa() {
  return Current().load(std::memory_order_relaxed);
}

void SetIsa(Isa isa) {
  Current().store(isa, std::memory_order_relaxed);
}

template <typename T>
const KernelTable<T>& Kernels() {
  constexpr bool kIsFloat = sizeof(T) == sizeof(float);
  const auto pick = [](const KernelTable<float>* single, const KernelTable<double>* twice) -> const KernelTable<T>* {
    if constexpr (kIsFloat) {
      return single;
    } else {
      return twice;
    }
  };
#if defined(__x86_64__)
  const Isa isa = CurrentIsa();
  if (isa == Isa::kAvx512) return *pick(&isa_avx512::kFloat, &isa_avx512::kDouble);
  if (isa == Isa::kAvx2) return *pick(&isa_avx2::kFloat, &isa_avx2::kDouble);
#endif
  return *pick(&isa_default::kFloat, &isa_default::kDouble);
}

template const KernelTable<float>& Kernels<float>();
template const KernelTable<double>& Kernels<double>();

}  // namespace ablate::kernels::cpu
