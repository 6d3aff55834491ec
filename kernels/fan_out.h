// fan_out: the custom kernel at the heart of the service. From the N packed tokens of a layer it makes the M outgoing
// ones:
//
//   x_out[m]    = x[source_token[m]] + bias                          [D]
//   z_out[m, h] = z[source_token[m], h]                              [Dh] where no edit applies
//               = scale * z[s, h] + table[entry + stride * position[m]]
//                 where an edit of row[m] and head h covers position[m];
//                 s = source_token[m], or source_first + position[m] (resample: another prompt's baseline row)
//
// so that `c_proj` behind it is a plain GEMM that accumulates onto x_out, and a head's ablation costs no pass of its
// own. Raw pointers only; every pointer is to memory of the device that runs it.
//
// Where scale is 0, z is not read: a NaN or Inf in it does not survive its ablation. Of several edits that cover the
// same head and position, the last in the row's list counts (they do not compose). Product and sum are rounded one by
// one, never fused, so every implementation gives the same bits. Outputs overlap neither each other nor an input.
#pragma once

#include <cstdint>

namespace ablate::kernels {

// What happens to one head of a row. 32 bytes, laid out alike on host and device.
struct alignas(16) HeadEdit {
  int32_t head = 0;
  // Covers positions [first_position, end_position).
  int32_t first_position = 0;
  int32_t end_position = INT32_MAX;
  float scale = 0.0F;
  // Row of `table`; -1 adds nothing.
  int32_t entry = -1;
  // 1: one entry a position, `entry` being position 0's; 0: the same for all.
  int32_t entry_stride = 0;
  // Packed index of position 0 of the row that the value is taken from; -1: the token's own source.
  int32_t source_first = -1;
  int32_t reserved = 0;
};
static_assert(sizeof(HeadEdit) == 32);

// The arguments of one launch. T is the element type of the activations.
template <typename T>
struct FanOutArgs {
  const T* x = nullptr;                     // [N, D]
  const T* z = nullptr;                     // [N, H, Dh]
  const T* bias = nullptr;                  // [D], c_proj's
  const T* table = nullptr;                 // [E, Dh]; may be null where no edit has an entry
  const int32_t* source_token = nullptr;    // [M], each in [0, N)
  const int32_t* position = nullptr;        // [M]
  const int32_t* row = nullptr;             // [M], each in [0, R)
  const int32_t* row_edit_begin = nullptr;  // [R + 1], rising, the last is the number of edits
  const HeadEdit* edits = nullptr;          // edits of row r: [row_edit_begin[r], row_edit_begin[r + 1])
  T* x_out = nullptr;                       // [M, D]
  T* z_out = nullptr;                       // [M, H, Dh]
  int64_t n_tokens_out = 0;                 // M
  int32_t n_heads = 0;                      // H
  int32_t d_head = 0;                       // Dh; D = H * Dh
};

}  // namespace ablate::kernels
