// The ops of the forward pass: plain functions that switch on the device. On the CPU each result row depends on its own
// row only, bit for bit, given that M is a multiple of kRowMultiple in every GEMM (docs/design.md, "Bits").
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "engine/forward/pass_tables.h"
#include "engine/plan/plan.h"
#include "kernels/gemm.h"

namespace ablate {

// Rows of every GEMM operand on the CPU are padded to a multiple of this.
inline constexpr int64_t kRowMultiple = 16;

constexpr int64_t PadRows(int64_t rows) {
  return (rows + kRowMultiple - 1) / kRowMultiple * kRowMultiple;
}

// out [N, D] = wte[ids] + wpe[positions]. wte [V, D], wpe [P, D]. On the CPU N may be more than the tokens, and what
// lies behind them repeats the first. `tokens` are where out is, and there is one at least; they were checked
// (CheckTokens).
void Embed(const at::Tensor& wte, const at::Tensor& wpe, const TokenTables& tokens, at::Tensor& out);

// Row i of out [N, D] = row rows[i] of `parts`, each [*, D], counted from one to the next; N >= the rows, what lies
// behind them repeats the first.
void GatherRows(absl::Span<const at::Tensor> parts, absl::Span<const int64_t> rows, at::Tensor& out);

// What a GEMM reads: as it was computed, or, where it meets a bfloat16 weight, rounded to nearest even. What is rounded
// lies in the first half of each row of the buffer that it was computed in, so that nothing else is needed.
enum class Operand { kExact, kBf16 };

// That of a weight.
Operand OperandOf(const at::Tensor& weight);

using Epilogue = kernels::GemmEpilogue;

// buffer [M, O]; x [M, K] and weight [K, O] as one Operand; bias [O] for kGeluTanh alone. Returns [M, O] in the buffer:
// as it was computed, or behind kGeluTanh as the weight's operand, which is what the next GEMM reads.
at::Tensor Linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, Epilogue epilogue,
                  at::Tensor& buffer);

// layer_norm(x) over the last dimension, as `operand`, in `buffer`. `then_add` [D], where defined, is added to x in
// place afterwards: the bias of the GEMM that will accumulate onto x. x, buffer [M, D].
at::Tensor LayerNorm(at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, double epsilon,
                     const at::Tensor& then_add, Operand operand, at::Tensor& buffer);

// buffer [M, D], as `operand`.
at::Tensor AsOperand(at::Tensor& buffer, Operand operand);

// Causal attention of each row over its prompt's baseline keys [0, begin) and its own. qkv [N, 3, H, Dh] without its
// bias [3 H Dh] (kernels/attend.h); z [N, H, Dh]; N >= the rows' tokens, what lies behind them is left alone. `tables`
// hold `rows` for qkv's device; their indices were checked (CheckIndices). `operand`: that of the pass's products,
// which ATen's attention on a GPU follows; all others are exact.
void Attend(const at::Tensor& qkv, const at::Tensor& bias, absl::Span<const Row> rows, const LayerTables& tables,
            Operand operand, at::Tensor& z);

// kernels/fan_out.h. x [N, D], z [N, H, Dh], bias [D], edit_table [E, Dh] or undefined, x_out [M, D], z_out [M, H, Dh];
// M >= the tables' tokens_out. `tables` as of Attend.
void FanOut(const at::Tensor& x, const at::Tensor& z, const at::Tensor& bias, const at::Tensor& edit_table,
            const LayerTables& tables, at::Tensor& x_out, at::Tensor& z_out);

}  // namespace ablate
