#include "engine/forward/gemm_bf16.h"

#include <c10/util/Exception.h>

#include <cstdint>

#include "engine/forward/gemm_operands.h"

#if defined(__x86_64__)
// As Intel's mkl_cblas.h declares it (32-bit indices); the wheel brings the library without its headers.
extern "C" void cblas_gemm_bf16bf16f32(int layout, int trans_a, int trans_b, int m, int n, int k, float alpha,
                                       const uint16_t* a, int lda, const uint16_t* b, int ldb, float beta, float* c,
                                       int ldc);
#endif

namespace ablate {

bool HasBf16Gemm() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx512bf16") != 0;
#else
  return false;
#endif
}

void GemmBf16(const at::Tensor& x, const at::Tensor& weight, float beta, at::Tensor& out) {
  constexpr int kRowMajor = 101, kNoTrans = 111, kTrans = 112;
  const WeightLayout layout = CheckOperands("gemm_bf16", x, weight, out);
  TORCH_CHECK(x.scalar_type() == at::kBFloat16 && weight.scalar_type() == at::kBFloat16 &&
                  out.scalar_type() == at::kFloat && x.is_cpu() && weight.is_cpu() && out.is_cpu(),
              "gemm_bf16: expected bfloat16 times bfloat16 into float32 on the CPU");
#if defined(__x86_64__)
  const auto bits = [](const at::Tensor& tensor) { return static_cast<const uint16_t*>(tensor.const_data_ptr()); };
  for (const int64_t size : {x.size(0), x.size(1), weight.size(1), x.stride(0), layout.stride, out.stride(0)}) {
    TORCH_CHECK(size <= INT32_MAX, "gemm_bf16: a size of ", size, " is too large for 32 bits");
  }
  cblas_gemm_bf16bf16f32(kRowMajor, kNoTrans, layout.is_transposed ? kTrans : kNoTrans, static_cast<int>(x.size(0)),
                         static_cast<int>(weight.size(1)), static_cast<int>(x.size(1)), 1.0F, bits(x),
                         static_cast<int>(x.stride(0)), bits(weight), static_cast<int>(layout.stride), beta,
                         out.data_ptr<float>(), static_cast<int>(out.stride(0)));
#else
  TORCH_CHECK(false, "gemm_bf16: not on this processor");
#endif
}

}  // namespace ablate
