#include "engine/forward/ops.h"

#include <ATen/Functions.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <type_traits>
#include <vector>

#include "engine/forward/attend_composed.h"
#include "engine/forward/cuda_launch.h"
#include "engine/forward/gather_composed.h"
#include "engine/forward/gemm_bf16.h"
#include "engine/forward/gemm_cuda.h"
#include "engine/forward/tuned_launch.h"
#include "kernels/attend_check.h"
#include "kernels/attend_launch.h"
#include "kernels/cpu/attend.h"
#include "kernels/cpu/gelu.h"
#include "kernels/cpu/layer_norm.h"
#include "kernels/cpu/round_rows.h"
#include "kernels/embed_check.h"
#include "kernels/embed_launch.h"
#include "kernels/fan_out_check.h"
#include "kernels/fan_out_cpu.h"
#include "kernels/fan_out_launch.h"
#include "kernels/layer_norm_check.h"
#include "kernels/layer_norm_launch.h"
#include "kernels/round_rows_check.h"
#include "kernels/round_rows_launch.h"

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

// Contiguous, of `shape` but for the first size, which may be larger: pad rows.
void CheckRows(const char* name, const at::Tensor& tensor, at::IntArrayRef shape) {
  const bool fits = tensor.dim() == static_cast<int64_t>(shape.size()) && tensor.size(0) >= shape[0] &&
                    tensor.sizes().slice(1) == shape.slice(1) && tensor.is_contiguous();
  TORCH_CHECK(fits, name, " is ", tensor.sizes(), tensor.is_contiguous() ? "" : ", not contiguous", "; expected ",
              shape, " with at least as many rows");
}

void CheckVector(const char* name, const at::Tensor& tensor, int64_t size) {
  TORCH_CHECK(tensor.dim() == 1 && tensor.size(0) == size && tensor.is_contiguous(), name, " is ", tensor.sizes(),
              "; expected [", size, "]");
}

// Rows a task of the CPU loops takes at least: below it a thread's start costs more than its work.
constexpr int64_t kRowGrain = 16;

template <typename T>
T* DataOrNull(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.data_ptr<T>() : nullptr;
}

// Of row i of a result whose rows behind the first n repeat the first.
int64_t SourceOf(int64_t i, int64_t n) {
  return i < n ? i : 0;
}

// Indices are used as they are: what is out of range would read anything.
void CheckIndex(const char* name, absl::Span<const int64_t> index, int64_t size) {
  for (const int64_t i : index) TORCH_CHECK(i >= 0 && i < size, name, " is ", i, ", expected 0 to ", size - 1);
}

// Where an operand lies in the buffer [M, D] that it was computed in.
at::Tensor Placed(const at::Tensor& buffer, Operand operand) {
  return operand == Operand::kExact ? buffer : buffer.view(at::kBFloat16).narrow(1, 0, buffer.size(1));
}

// buffer = gelu_tanh(buffer + bias), on the CPU.
at::Tensor BiasGelu(const at::Tensor& bias, Operand operand, at::Tensor& buffer) {
  WithElementType(buffer, [&](auto element) {
    using T = decltype(element);
    kernels::cpu::BiasGeluArgs<T> args;
    args.x = buffer.data_ptr<T>();
    args.bias = bias.data_ptr<T>();
    args.d_mlp = buffer.size(1);
    args.rounds = operand == Operand::kBf16;
    at::parallel_for(0, buffer.size(0), kRowGrain,
                     [&](int64_t begin, int64_t end) { kernels::cpu::BiasGeluTanh(args, begin, end); });
  });
  return Placed(buffer, operand);
}

// Cuts the tasks (row, head) into `n_parts` ranges of about equal cost: part i is [bounds[i], bounds[i + 1]).
std::vector<int64_t> SplitTasks(absl::Span<const kernels::AttendRow> rows, int64_t n_heads, int64_t d_head,
                                int64_t n_parts) {
  const auto cost_of = [&](const kernels::AttendRow& row) {
    return kernels::cpu::AttendCost(row, static_cast<int32_t>(d_head));
  };
  int64_t total = 0;
  for (const kernels::AttendRow& row : rows) total += n_heads * cost_of(row);
  const int64_t n_tasks = static_cast<int64_t>(rows.size()) * n_heads;
  std::vector<int64_t> bounds = {0};
  int64_t done = 0;
  for (int64_t task = 0; task < n_tasks && static_cast<int64_t>(bounds.size()) < n_parts; ++task) {
    if (done * n_parts >= total * static_cast<int64_t>(bounds.size())) bounds.push_back(task);
    done += cost_of(rows[task / n_heads]);
  }
  bounds.push_back(n_tasks);
  return bounds;
}

template <typename T>
kernels::AttendArgs<T> AttendArgsOf(const at::Tensor& qkv, const at::Tensor& bias, const LayerTables& tables,
                                    at::Tensor& z) {
  kernels::AttendArgs<T> args;
  args.rows = tables.attend_rows;
  args.qkv = qkv.const_data_ptr<T>();
  args.n_heads = static_cast<int32_t>(qkv.size(2));
  args.d_head = static_cast<int32_t>(qkv.size(3));
  args.scale = static_cast<T>(1.0 / std::sqrt(static_cast<double>(qkv.size(3))));
  args.z = z.data_ptr<T>();
  args.bias = bias.const_data_ptr<T>();
  return args;
}

void AttendCpu(const at::Tensor& qkv, const at::Tensor& bias, const LayerTables& tables, at::Tensor& z) {
  const absl::Span<const kernels::AttendRow> rows(tables.attend_rows, static_cast<size_t>(tables.n_attend_rows));
  const std::vector<int64_t> bounds = SplitTasks(rows, qkv.size(2), qkv.size(3), at::get_num_threads());
  WithElementType(qkv, [&](auto element) {
    using T = decltype(element);
    const kernels::AttendArgs<T> args = AttendArgsOf<T>(qkv, bias, tables, z);
    at::parallel_for(0, static_cast<int64_t>(bounds.size()) - 1, 1,
                     [&](int64_t begin, int64_t end) { kernels::cpu::Attend(args, bounds[begin], bounds[end]); });
  });
}

void AttendCuda(const at::Tensor& qkv, const at::Tensor& bias, absl::Span<const Row> rows, const LayerTables& tables,
                Operand operand, at::Tensor& z) {
  std::vector<Row> others;
  int64_t most_tokens = 0, most_keys = 0;
  for (const Row& row : rows) {
    if (!tables.own_attention.Takes(row.begin, row.end)) {
      others.push_back(row);
      continue;
    }
    most_tokens = std::max<int64_t>(most_tokens, row.end - row.begin);
    most_keys = std::max<int64_t>(most_keys, row.end);
  }
  AttendComposed(qkv, bias, rows, others, operand, z);
  // None is ours, as where heads are too large for it.
  if (tables.n_attend_rows == 0 || others.size() == rows.size()) return;
  const kernels::AttendArgs<float> args = AttendArgsOf<float>(qkv, bias, tables, z);
  CheckArguments(kernels::CheckAttend(args, tables.n_attend_rows));
  const int64_t n_rows = tables.n_attend_rows;
  const auto kind =
      kernels::KindOf(kernels::TunedKernel::kAttend, args.d_head, n_rows * args.n_heads, most_tokens, most_keys);
  LaunchTuned("attend", kind, z, [&](kernels::BlockShape shape, cudaStream_t stream) {
    return kernels::Attend(args, n_rows, stream, shape);
  });
}

}  // namespace

void Embed(const at::Tensor& wte, const at::Tensor& wpe, const TokenTables& tokens, at::Tensor& out) {
  CheckRows("embed: wte", wte, {0, wte.size(1)});
  CheckRows("embed: wpe", wpe, {0, wte.size(1)});
  CheckRows("embed: out", out, {tokens.n, wte.size(1)});
  TORCH_CHECK(tokens.n > 0, "embed: no token");
  if (!out.is_cpu()) {
    TORCH_CHECK(out.size(0) == tokens.n, "embed: out is ", out.sizes(), "; expected a row for each of ", tokens.n);
    const kernels::EmbedArgs args = {.wte = wte.const_data_ptr<float>(),
                                     .wpe = wpe.const_data_ptr<float>(),
                                     .ids = tokens.ids,
                                     .positions = tokens.positions,
                                     .out = out.data_ptr<float>(),
                                     .d_model = out.size(1)};
    CheckArguments(kernels::CheckEmbed(args, tokens.n));
    CheckLaunch("embed", kernels::Embed(args, tokens.n, StreamOf(out)));
    return;
  }
  WithElementType(out, [&](auto element) {
    using T = decltype(element);
    const int64_t d = out.size(1);
    const T* embeddings = wte.const_data_ptr<T>();
    const T* places = wpe.const_data_ptr<T>();
    T* to = out.data_ptr<T>();
    at::parallel_for(0, out.size(0), kRowGrain, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t from = SourceOf(i, tokens.n);
        const T* token = embeddings + tokens.ids[from] * d;
        const T* place = places + tokens.positions[from] * d;
        for (int64_t j = 0; j < d; ++j) to[i * d + j] = token[j] + place[j];
      }
    });
  });
}

void GatherRows(absl::Span<const at::Tensor> parts, absl::Span<const int64_t> rows, at::Tensor& out) {
  CheckRows("gather: out", out, {static_cast<int64_t>(rows.size()), out.size(1)});
  int64_t n_rows = 0;
  for (const at::Tensor& part : parts) {
    CheckRows("gather: a part", part, {0, out.size(1)});
    TORCH_CHECK(part.scalar_type() == out.scalar_type(), "gather: ", part.scalar_type(), " into ", out.scalar_type());
    n_rows += part.size(0);
  }
  CheckIndex("gather: a row", rows, n_rows);
  if (out.size(0) == 0) return;
  TORCH_CHECK(!rows.empty(), "gather: no row to repeat");
  if (!out.is_cpu()) return GatherRowsComposed(parts, rows, out);
  const int64_t row_bytes = out.size(1) * static_cast<int64_t>(out.element_size());
  auto* to = static_cast<char*>(out.data_ptr());
  for (int64_t i = 0; i < out.size(0); ++i) {
    int64_t row = rows[static_cast<size_t>(SourceOf(i, static_cast<int64_t>(rows.size())))];
    size_t part = 0;
    for (; row >= parts[part].size(0); ++part) row -= parts[part].size(0);
    const auto* from = static_cast<const char*>(parts[part].const_data_ptr());
    std::memcpy(to + i * row_bytes, from + row * row_bytes, static_cast<size_t>(row_bytes));
  }
}

Operand OperandOf(const at::Tensor& weight) {
  return weight.scalar_type() == at::kBFloat16 ? Operand::kBf16 : Operand::kExact;
}

at::Tensor Linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, Epilogue epilogue,
                  at::Tensor& buffer) {
  CheckRows("linear: buffer", buffer, {x.size(0), weight.size(1)});
  if (epilogue == Epilogue::kGeluTanh) CheckVector("linear: bias", bias, weight.size(1));
  if (!x.is_cpu()) {
    GemmCuda(x, weight, bias, epilogue, buffer);
    return epilogue == Epilogue::kGeluTanh ? AsOperand(buffer, OperandOf(weight)) : buffer;
  }
  if (OperandOf(weight) == Operand::kBf16) {
    GemmBf16(x, weight, epilogue == Epilogue::kAddTo ? 1.0F : 0.0F, buffer);
    return epilogue == Epilogue::kGeluTanh ? BiasGelu(bias, Operand::kBf16, buffer) : buffer;
  }
  CheckRows("linear: x", x, {0, weight.size(0)});
  switch (epilogue) {
    case Epilogue::kNone:
      return at::mm_out(buffer, x, weight);
    case Epilogue::kAddTo:
      return buffer.addmm_(x, weight);
    case Epilogue::kGeluTanh:
      break;
  }
  at::mm_out(buffer, x, weight);
  return BiasGelu(bias, Operand::kExact, buffer);
}

at::Tensor LayerNorm(at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, double epsilon,
                     const at::Tensor& then_add, Operand operand, at::Tensor& buffer) {
  CheckRows("layer_norm: x", x, {0, x.size(1)});
  CheckRows("layer_norm: buffer", buffer, x.sizes());
  CheckVector("layer_norm: weight", weight, x.size(1));
  CheckVector("layer_norm: bias", bias, x.size(1));
  if (then_add.defined()) CheckVector("layer_norm: then_add", then_add, x.size(1));
  WithElementType(x, [&](auto element) {
    using T = decltype(element);
    kernels::LayerNormArgs<T> args;
    args.x = x.data_ptr<T>();
    args.gamma = weight.data_ptr<T>();
    args.beta = bias.data_ptr<T>();
    args.add = DataOrNull<T>(then_add);
    args.epsilon = static_cast<T>(epsilon);
    args.d_model = x.size(1);
    args.out = buffer.data_ptr<T>();
    args.rounds = operand == Operand::kBf16;
    if (x.is_cpu()) {
      at::parallel_for(0, x.size(0), kRowGrain,
                       [&](int64_t begin, int64_t end) { kernels::cpu::LayerNorm(args, begin, end); });
    } else if constexpr (std::is_same_v<T, float>) {
      CheckArguments(kernels::CheckLayerNorm(args, x.size(0)));
      LaunchTuned(
          "layer_norm", kernels::KindOf(kernels::TunedKernel::kLayerNorm, args.d_model, x.size(0)), buffer,
          [&](kernels::BlockShape shape, cudaStream_t stream) {
            return kernels::LayerNorm(args, x.size(0), stream, shape);
          },
          then_add.defined() ? x : at::Tensor());
    } else {
      TORCH_CHECK(false, "layer_norm: float64 is the CPU's alone");
    }
  });
  return Placed(buffer, operand);
}

at::Tensor AsOperand(at::Tensor& buffer, Operand operand) {
  if (operand == Operand::kBf16) {
    CheckRows("round: buffer", buffer, {0, buffer.size(1)});
    const kernels::RoundRowsArgs args = {.x = buffer.data_ptr<float>(), .d = buffer.size(1)};
    if (buffer.is_cpu()) {
      at::parallel_for(0, buffer.size(0), kRowGrain,
                       [&](int64_t begin, int64_t end) { kernels::cpu::RoundRows(args, begin, end); });
    } else {
      CheckArguments(kernels::CheckRoundRows(args, buffer.size(0)));
      LaunchTuned(
          "round_rows", kernels::KindOf(kernels::TunedKernel::kRoundRows, args.d, buffer.size(0)), buffer,
          [&](kernels::BlockShape shape, cudaStream_t stream) {
            return kernels::RoundRows(args, buffer.size(0), stream, shape);
          },
          buffer);
    }
  }
  return Placed(buffer, operand);
}

void Attend(const at::Tensor& qkv, const at::Tensor& bias, absl::Span<const Row> rows, const LayerTables& tables,
            Operand operand, at::Tensor& z) {
  TORCH_CHECK(qkv.dim() == 4 && qkv.size(1) == 3, "attend: qkv is ", qkv.sizes(), "; expected [N, 3, H, Dh]");
  CheckRows("attend: qkv", qkv, {tables.tokens_in, 3, qkv.size(2), qkv.size(3)});
  CheckRows("attend: z", z, {qkv.size(0), qkv.size(2), qkv.size(3)});
  CheckVector("attend: bias", bias, 3 * qkv.size(2) * qkv.size(3));
  qkv.is_cpu() ? AttendCpu(qkv, bias, tables, z) : AttendCuda(qkv, bias, rows, tables, operand, z);
}

void FanOut(const at::Tensor& x, const at::Tensor& z, const at::Tensor& bias, const at::Tensor& edit_table,
            const LayerTables& tables, at::Tensor& x_out, at::Tensor& z_out) {
  const int64_t h = z.size(1);
  const int64_t dh = z.size(2);
  CheckRows("fan_out: x", x, {tables.tokens_in, h * dh});
  CheckRows("fan_out: z", z, {tables.tokens_in, h, dh});
  CheckRows("fan_out: x_out", x_out, {tables.tokens_out, h * dh});
  CheckRows("fan_out: z_out", z_out, {tables.tokens_out, h, dh});
  CheckVector("fan_out: bias", bias, h * dh);
  if (edit_table.defined()) CheckRows("fan_out: edit_table", edit_table, {0, dh});
  WithElementType(x, [&](auto element) {
    using T = decltype(element);
    kernels::FanOutArgs<T> args;
    args.x = x.data_ptr<T>();
    args.z = z.data_ptr<T>();
    args.bias = bias.data_ptr<T>();
    args.table = DataOrNull<T>(edit_table);
    args.source_token = tables.source_token;
    args.position = tables.position;
    args.row = tables.row;
    args.row_edit_begin = tables.row_edit_begin;
    args.edits = tables.edits;
    args.x_out = x_out.data_ptr<T>();
    args.z_out = z_out.data_ptr<T>();
    args.n_tokens_out = tables.tokens_out;
    args.n_heads = static_cast<int32_t>(h);
    args.d_head = static_cast<int32_t>(dh);
    CheckArguments(kernels::CheckFanOut(args));
    if (x.is_cpu()) {
      at::parallel_for(0, args.n_tokens_out, kRowGrain,
                       [&](int64_t begin, int64_t end) { kernels::FanOutCpu(args, begin, end); });
      return;
    }
    LaunchTuned("fan_out", kernels::KindOf(kernels::TunedKernel::kFanOut, h * dh, args.n_tokens_out), z_out,
                [&](kernels::BlockShape shape, cudaStream_t stream) { return kernels::FanOut(args, stream, shape); });
  });
}

}  // namespace ablate
