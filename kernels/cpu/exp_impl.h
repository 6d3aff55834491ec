// exp on one vector. float: Cephes' expf, within 2 units in the last place, NaN kept, 0 below -104 and Inf above 89 and
// their neighbourhoods; double: the C library's, lane by lane (float64 is the oracle, not the fast path).
#pragma once

#include <math.h>

#include "kernels/cpu/simd.h"

namespace ablate::kernels::cpu::ABLATE_ISA {

ABLATE_INLINE Vector<float> Exp(Vector<float> x) {
  using V = Vector<float>;
  // Max and Min keep their second argument where it is NaN.
  x = Max<float>(Set(-104.0F), x);
  x = Min<float>(Set(89.0F), x);
  // n = round(x / ln 2): adding 1.5 * 2^23 leaves it in the low bits of the sum.
  const V magic = Set(12582912.0F);
  const V shifted = Fma<float>(x, Set(1.44269504088896341F), magic);
  const V n = shifted - magic;
  V r = Fma<float>(n, Set(-0.693359375F), x);
  r = Fma<float>(n, Set(2.12194440e-4F), r);
  V poly = Set(1.9875691500e-4F);
  poly = Fma<float>(poly, r, Set(1.3981999507e-3F));
  poly = Fma<float>(poly, r, Set(8.3334519073e-3F));
  poly = Fma<float>(poly, r, Set(4.1665795894e-2F));
  poly = Fma<float>(poly, r, Set(1.6666665459e-1F));
  poly = Fma<float>(poly, r, Set(5.0000001201e-1F));
  poly = Fma<float>(poly, r * r, r) + 1.0F;
#if defined(__AVX512F__)
  return _mm512_scalef_ps(poly, n);
#else
  // 2^n in two factors, since n in [-150, 128] exceeds one float's exponent.
  using M = Mask<float>;
  const M whole = reinterpret_cast<M>(shifted) - reinterpret_cast<M>(magic);
  const M half = whole >> 1;
  const V low = reinterpret_cast<V>((half + 127) << 23);
  const V high = reinterpret_cast<V>((whole - half + 127) << 23);
  return poly * low * high;
#endif
}

ABLATE_INLINE Vector<double> Exp(Vector<double> x) {
  double lanes[kLanes<double>];
  Store<double>(lanes, x);
  for (double& lane : lanes) lane = ::exp(lane);
  return Load<double>(lanes);
}

}  // namespace ablate::kernels::cpu::ABLATE_ISA
