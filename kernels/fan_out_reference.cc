#include "kernels/fan_out_reference.h"

#include <cassert>

#include "kernels/fan_out_check.h"

namespace ablate::kernels {
namespace {

// The edit of head h at outgoing token m, null where there is none. Of several the last counts.
template <typename T>
const HeadEdit* FindEdit(const FanOutArgs<T>& args, int64_t m, int32_t h) {
  const HeadEdit* found = nullptr;
  const int32_t row = args.row[m];
  for (int32_t e = args.row_edit_begin[row]; e < args.row_edit_begin[row + 1]; ++e) {
    const HeadEdit& edit = args.edits[e];
    if (edit.head == h && edit.first_position <= args.position[m] && args.position[m] < edit.end_position)
      found = &edit;
  }
  return found;
}

// z_out[m, h, i].
template <typename T>
T Element(const FanOutArgs<T>& args, int64_t m, int32_t h, int32_t i) {
  const int64_t heads = args.n_heads, size = args.d_head, position = args.position[m];
  int64_t token = args.source_token[m];
  const HeadEdit* edit = FindEdit(args, m, h);
  if (edit == nullptr) return args.z[(token * heads + h) * size + i];

  T value = 0;
  if (edit->scale != 0.0F) {
    if (edit->source_first >= 0) token = edit->source_first + position;
    value = static_cast<T>(edit->scale) * args.z[(token * heads + h) * size + i];
  }
  if (edit->entry < 0) return value;
  const T replacement = args.table[(edit->entry + edit->entry_stride * position) * size + i];
  return edit->scale == 0.0F ? replacement : value + replacement;
}

}  // namespace

template <typename T>
void FanOutReference(const FanOutArgs<T>& args) {
  assert(CheckFanOut(args).empty());
  const int64_t d_model = int64_t{args.n_heads} * args.d_head;
  for (int64_t m = 0; m < args.n_tokens_out; ++m) {
    for (int64_t d = 0; d < d_model; ++d) {
      args.x_out[m * d_model + d] = args.x[args.source_token[m] * d_model + d] + args.bias[d];
    }
    for (int32_t h = 0; h < args.n_heads; ++h) {
      for (int32_t i = 0; i < args.d_head; ++i) args.z_out[m * d_model + h * args.d_head + i] = Element(args, m, h, i);
    }
  }
}

template void FanOutReference(const FanOutArgs<float>&);
template void FanOutReference(const FanOutArgs<double>&);

}  // namespace ablate::kernels
