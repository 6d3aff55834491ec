// A token's heads lie side by side in z and in z_out, so a token is one copy of D elements; the edited heads, usually
// none or one, are written over it. Bits are those of the CUDA kernel: product and sum are rounded one by one (this
// file is compiled with -ffp-contract=off).
#include "kernels/fan_out_cpu.h"

#include <algorithm>
#include <cassert>
#include <cstring>

#include "kernels/fan_out_check.h"

namespace ablate::kernels {
namespace {

// out = scale * z + entry; z is not read where scale is 0, nor entry where it is null.
template <typename T>
void EditHead(T scale, const T* z, const T* entry, int64_t d_head, T* __restrict__ out) {
  if (scale == T{0}) {
    if (entry == nullptr) {
      std::fill_n(out, d_head, T{0});
    } else {
      std::copy_n(entry, d_head, out);
    }
  } else if (entry == nullptr) {
    for (int64_t i = 0; i < d_head; ++i) out[i] = scale * z[i];
  } else {
    for (int64_t i = 0; i < d_head; ++i) out[i] = scale * z[i] + entry[i];
  }
}

}  // namespace

template <typename T>
void FanOutCpu(const FanOutArgs<T>& args, int64_t token_begin, int64_t token_end) {
  assert(CheckFanOut(args).empty());
  assert(0 <= token_begin && token_begin <= token_end && token_end <= args.n_tokens_out);
  const int64_t d_head = args.d_head;
  const int64_t d_model = args.n_heads * d_head;
  for (int64_t m = token_begin; m < token_end; ++m) {
    const int64_t source = args.source_token[m];
    const int64_t position = args.position[m];

    const T* x = args.x + source * d_model;            // [D]
    T* __restrict__ x_out = args.x_out + m * d_model;  // [D]
    for (int64_t i = 0; i < d_model; ++i) x_out[i] = x[i] + args.bias[i];

    T* z_out = args.z_out + m * d_model;  // [H, Dh]
    std::memcpy(z_out, args.z + source * d_model, d_model * sizeof(T));
    const int32_t row = args.row[m];
    for (int32_t e = args.row_edit_begin[row]; e < args.row_edit_begin[row + 1]; ++e) {
      const HeadEdit& edit = args.edits[e];
      if (position < edit.first_position || position >= edit.end_position) continue;
      const int64_t z_token = edit.source_first < 0 ? source : edit.source_first + position;
      const T* z = args.z + z_token * d_model + edit.head * d_head;  // [Dh]
      const T* entry =                                               // [Dh]
          edit.entry < 0 ? nullptr : args.table + (edit.entry + edit.entry_stride * position) * d_head;
      EditHead(static_cast<T>(edit.scale), z, entry, d_head, z_out + edit.head * d_head);
    }
  }
}

template void FanOutCpu(const FanOutArgs<float>&, int64_t, int64_t);
template void FanOutCpu(const FanOutArgs<double>&, int64_t, int64_t);

}  // namespace ablate::kernels
