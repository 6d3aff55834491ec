#include "engine/forward/ops.h"

#include <ATen/Functions.h>
#include <ATen/Parallel.h>
#include <c10/cuda/CUDAStream.h>

#include <algorithm>
#include <cmath>

#include "engine/forward/fan_out_tables.h"
#include "kernels/cpu/attend.h"
#include "kernels/cpu/gelu.h"
#include "kernels/cpu/layer_norm.h"
#include "kernels/fan_out_check.h"
#include "kernels/fan_out_cpu.h"
#include "kernels/fan_out_launch.h"

namespace ablate {
namespace {

// Calls f with a value of the tensor's element type.
template <typename F>
void WithElementType(const at::Tensor& tensor, F f) {
  if (tensor.scalar_type() == at::kDouble) {
    f(double{});
  } else {
    TORCH_CHECK(tensor.scalar_type() == at::kFloat, "expected float32 or float64, got ", tensor.scalar_type());
    f(float{});
  }
}

// Rows a task of the CPU loops takes at least: below it a thread's start costs more than its work.
constexpr int64_t kRowGrain = 16;

template <typename T>
T* DataOrNull(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.data_ptr<T>() : nullptr;
}

void AttendCpu(const at::Tensor& qkv, absl::Span<const Row> rows, at::Tensor& z) {
  std::vector<kernels::cpu::AttendRow> places;  // [R]
  places.reserve(rows.size());
  for (const Row& row : rows) {
    const int32_t baseline_first = row.baseline < 0 ? row.first_token : rows[row.baseline].first_token;
    places.push_back({row.begin, row.end, row.first_token, baseline_first});
  }
  const int64_t n_heads = qkv.size(2);
  const int64_t n_rows = static_cast<int64_t>(rows.size());
  WithElementType(qkv, [&](auto element) {
    using T = decltype(element);
    kernels::cpu::AttendArgs<T> args;
    args.qkv = qkv.data_ptr<T>();
    args.rows = places.data();
    args.n_rows = n_rows;
    args.n_heads = static_cast<int32_t>(n_heads);
    args.d_head = static_cast<int32_t>(qkv.size(3));
    args.scale = static_cast<T>(1.0 / std::sqrt(static_cast<double>(qkv.size(3))));
    args.z = z.data_ptr<T>();
    at::parallel_for(0, n_rows * n_heads, 1,
                     [&](int64_t begin, int64_t end) { kernels::cpu::Attend(args, begin, end); });
  });
}

// ATen's attention over rows padded to the longest: [R, H, Tmax, Dh]. Each row's keys are its prompt's positions from 0
// on, so the plain causal mask is right for every row, and padding lies behind all queries that count.
void AttendComposed(const at::Tensor& qkv, absl::Span<const Row> rows, at::Tensor& z) {
  int64_t longest = 0;
  int64_t n_tokens = 0;
  for (const Row& row : rows) {
    longest = std::max<int64_t>(longest, row.end);
    n_tokens += row.end - row.begin;
  }
  const int64_t n_rows = static_cast<int64_t>(rows.size());
  at::Tensor gather = at::zeros({n_rows, longest}, at::kLong);  // packed token of (row, position)
  at::Tensor slots = at::empty({n_tokens}, at::kLong);          // (row, position) of each packed token
  at::Tensor tokens = at::empty({n_tokens}, at::kLong);         // the packed tokens in the same order
  auto gather_at = gather.accessor<int64_t, 2>();
  auto slots_at = slots.accessor<int64_t, 1>();
  auto tokens_at = tokens.accessor<int64_t, 1>();
  int64_t next = 0;
  for (int64_t r = 0; r < n_rows; ++r) {
    const Row& row = rows[r];
    for (int32_t p = 0; p < row.begin; ++p) gather_at[r][p] = rows[row.baseline].first_token + p;
    for (int32_t p = row.begin; p < row.end; ++p) {
      gather_at[r][p] = row.first_token + p - row.begin;
      tokens_at[next] = gather_at[r][p];
      slots_at[next++] = r * longest + p;
    }
  }
  const int64_t h = qkv.size(2);
  const int64_t dh = qkv.size(3);
  const at::Tensor padded = qkv.index_select(0, gather.flatten().to(qkv.device()))  // [R * Tmax, 3, H, Dh]
                                .view({n_rows, longest, 3, h, dh})
                                .permute({2, 0, 3, 1, 4});  // [3, R, H, Tmax, Dh]
  const at::Tensor out = at::scaled_dot_product_attention(padded[0], padded[1], padded[2], {}, 0.0, /*is_causal=*/true)
                             .transpose(1, 2)
                             .reshape({n_rows * longest, h, dh});
  z.index_copy_(0, tokens.to(qkv.device()), out.index_select(0, slots.to(qkv.device())));
}

}  // namespace

void Linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, Epilogue epilogue, at::Tensor& out) {
  switch (epilogue) {
    case Epilogue::kBias:
      at::addmm_out(out, bias, x, weight);
      return;
    case Epilogue::kAddTo:
      out.addmm_(x, weight);
      return;
    case Epilogue::kGeluTanh:
      break;
  }
  if (!x.is_cpu()) {
    at::addmm_out(out, bias, x, weight);
    at::gelu_(out, "tanh");
    return;
  }
  at::mm_out(out, x, weight);
  WithElementType(out, [&](auto element) {
    using T = decltype(element);
    kernels::cpu::BiasGeluArgs<T> args;
    args.x = out.data_ptr<T>();
    args.bias = bias.data_ptr<T>();
    args.d_mlp = out.size(1);
    at::parallel_for(0, out.size(0), kRowGrain,
                     [&](int64_t begin, int64_t end) { kernels::cpu::BiasGeluTanh(args, begin, end); });
  });
}

void LayerNorm(at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, double epsilon,
               const at::Tensor& then_add, at::Tensor& out) {
  if (!x.is_cpu()) {
    out.copy_(at::layer_norm(x, {x.size(1)}, weight, bias, epsilon));
    if (then_add.defined()) x.add_(then_add);
    return;
  }
  WithElementType(x, [&](auto element) {
    using T = decltype(element);
    kernels::cpu::LayerNormArgs<T> args;
    args.x = x.data_ptr<T>();
    args.gamma = weight.data_ptr<T>();
    args.beta = bias.data_ptr<T>();
    args.add = DataOrNull<T>(then_add);
    args.epsilon = static_cast<T>(epsilon);
    args.d_model = x.size(1);
    args.out = out.data_ptr<T>();
    at::parallel_for(0, x.size(0), kRowGrain,
                     [&](int64_t begin, int64_t end) { kernels::cpu::LayerNorm(args, begin, end); });
  });
}

void Attend(const at::Tensor& qkv, absl::Span<const Row> rows, at::Tensor& z) {
  qkv.is_cpu() ? AttendCpu(qkv, rows, z) : AttendComposed(qkv, rows, z);
}

void FanOut(const at::Tensor& x, const at::Tensor& z, const at::Tensor& bias, const at::Tensor& table,
            const LayerPlan& plan, at::Tensor& x_out, at::Tensor& z_out) {
  const FanOutTables tables(plan, x.device());
  WithElementType(x, [&](auto element) {
    using T = decltype(element);
    kernels::FanOutArgs<T> args;
    args.x = x.data_ptr<T>();
    args.z = z.data_ptr<T>();
    args.bias = bias.data_ptr<T>();
    args.table = DataOrNull<T>(table);
    tables.FillIn(args);
    args.x_out = x_out.data_ptr<T>();
    args.z_out = z_out.data_ptr<T>();
    args.n_heads = static_cast<int32_t>(z.size(1));
    args.d_head = static_cast<int32_t>(z.size(2));
    const std::string problem = kernels::CheckFanOut(args);
    TORCH_CHECK(problem.empty(), problem);
    if (x.is_cpu()) {
      at::parallel_for(0, args.n_tokens_out, kRowGrain,
                       [&](int64_t begin, int64_t end) { kernels::FanOutCpu(args, begin, end); });
      return;
    }
    const cudaError_t error = kernels::FanOut(args, c10::cuda::getCurrentCUDAStream(x.device().index()));
    TORCH_CHECK(error == cudaSuccess, "fan_out: ", cudaGetErrorString(error));
  });
}

}  // namespace ablate
