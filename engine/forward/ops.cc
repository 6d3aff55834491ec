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
#include "engine/forward/fan_out_tables.h"
#include "engine/forward/gather_composed.h"
#include "engine/forward/gemm_bf16.h"
#include "engine/forward/gemm_cuda.h"
#include "kernels/attend_check.h"
#include "kernels/attend_launch.h"
#include "kernels/cpu/attend.h"
#include "kernels/cpu/gelu.h"
#include "kernels/cpu/layer_norm.h"
#include "kernels/cpu/round_rows.h"
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

// Of row i of a result whose rows behind `index` repeat the first.
size_t SourceOf(int64_t i, absl::Span<const int64_t> index) {
  return static_cast<size_t>(i) < index.size() ? static_cast<size_t>(i) : 0;
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

// [R]
std::vector<kernels::AttendRow> PlacesOf(absl::Span<const Row> rows) {
  std::vector<kernels::AttendRow> places;
  places.reserve(rows.size());
  for (const Row& row : rows) {
    const int32_t baseline_first = row.baseline < 0 ? row.first_token : rows[row.baseline].first_token;
    places.push_back({row.begin, row.end, row.first_token, baseline_first});
  }
  return places;
}

template <typename T>
kernels::AttendArgs<T> AttendArgsOf(const at::Tensor& qkv, const at::Tensor& bias, at::Tensor& z) {
  kernels::AttendArgs<T> args;
  args.qkv = qkv.const_data_ptr<T>();
  args.n_heads = static_cast<int32_t>(qkv.size(2));
  args.d_head = static_cast<int32_t>(qkv.size(3));
  args.scale = static_cast<T>(1.0 / std::sqrt(static_cast<double>(qkv.size(3))));
  args.z = z.data_ptr<T>();
  args.bias = bias.const_data_ptr<T>();
  return args;
}

void AttendCpu(const at::Tensor& qkv, const at::Tensor& bias, absl::Span<const Row> rows, at::Tensor& z) {
  const std::vector<kernels::AttendRow> places = PlacesOf(rows);
  const int64_t n_heads = qkv.size(2);
  const std::vector<int64_t> bounds = SplitTasks(places, n_heads, qkv.size(3), at::get_num_threads());
  WithElementType(qkv, [&](auto element) {
    using T = decltype(element);
    kernels::AttendArgs<T> args = AttendArgsOf<T>(qkv, bias, z);
    args.rows = places.data();
    at::parallel_for(0, static_cast<int64_t>(bounds.size()) - 1, 1,
                     [&](int64_t begin, int64_t end) { kernels::cpu::Attend(args, bounds[begin], bounds[end]); });
  });
}

// The longest row that our kernel takes: it reads a row's keys anew for each 16 of its queries. Longer ones go to
// ATen's attention. Not yet measured on a GPU.
constexpr int32_t kLongestShortRow = 256;

void AttendCuda(const at::Tensor& qkv, const at::Tensor& bias, absl::Span<const Row> rows, at::Tensor& z) {
  const bool takes_heads = qkv.size(3) <= kernels::kAttendMaxHeadSize;
  const std::vector<kernels::AttendRow> places = PlacesOf(rows);
  std::vector<kernels::AttendRow> short_rows;
  std::vector<Row> others;
  for (size_t r = 0; r < rows.size(); ++r) {
    if (takes_heads && rows[r].end <= kLongestShortRow) {
      short_rows.push_back(places[r]);
    } else {
      others.push_back(rows[r]);
    }
  }
  AttendComposed(qkv, bias, rows, others, z);
  if (short_rows.empty()) return;
  const at::Tensor on_device = CopyTo(qkv.device(), absl::MakeConstSpan(short_rows));
  kernels::AttendArgs<float> args = AttendArgsOf<float>(qkv, bias, z);
  args.rows = static_cast<const kernels::AttendRow*>(on_device.const_data_ptr());
  const auto n_rows = static_cast<int64_t>(short_rows.size());
  CheckArguments(kernels::CheckAttend(args, n_rows));
  CheckLaunch("attend", kernels::Attend(args, n_rows, StreamOf(qkv)));
}

}  // namespace

void Embed(const at::Tensor& wte, const at::Tensor& wpe, absl::Span<const int64_t> ids,
           absl::Span<const int64_t> positions, at::Tensor& out) {
  CheckRows("embed: wte", wte, {0, wte.size(1)});
  CheckRows("embed: wpe", wpe, {0, wte.size(1)});
  CheckRows("embed: out", out, {static_cast<int64_t>(ids.size()), wte.size(1)});
  TORCH_CHECK(!ids.empty() && positions.size() == ids.size(), "embed: ", ids.size(), " ids at ", positions.size(),
              " positions");
  CheckIndex("embed: an id", ids, wte.size(0));
  CheckIndex("embed: a position", positions, wpe.size(0));
  if (!out.is_cpu()) return EmbedComposed(wte, wpe, ids, positions, out);
  WithElementType(out, [&](auto element) {
    using T = decltype(element);
    const int64_t d = out.size(1);
    const T* tokens = wte.const_data_ptr<T>();
    const T* places = wpe.const_data_ptr<T>();
    T* to = out.data_ptr<T>();
    at::parallel_for(0, out.size(0), kRowGrain, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const size_t from = SourceOf(i, ids);
        const T* token = tokens + ids[from] * d;
        const T* place = places + positions[from] * d;
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
    int64_t row = rows[SourceOf(i, rows)];
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
      CheckLaunch("layer_norm", kernels::LayerNorm(args, x.size(0), StreamOf(x)));
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
      CheckLaunch("round_rows", kernels::RoundRows(args, buffer.size(0), StreamOf(buffer)));
    }
  }
  return Placed(buffer, operand);
}

void Attend(const at::Tensor& qkv, const at::Tensor& bias, absl::Span<const Row> rows, at::Tensor& z) {
  TORCH_CHECK(qkv.dim() == 4 && qkv.size(1) == 3, "attend: qkv is ", qkv.sizes(), "; expected [N, 3, H, Dh]");
  CheckRows("attend: qkv", qkv, qkv.sizes());
  CheckRows("attend: z", z, {qkv.size(0), qkv.size(2), qkv.size(3)});
  CheckVector("attend: bias", bias, 3 * qkv.size(2) * qkv.size(3));
  for (const Row& row : rows) {
    const bool inside = row.begin >= 0 && row.begin <= row.end && row.first_token >= 0 &&
                        int64_t{row.first_token} + row.end - row.begin <= qkv.size(0);
    const bool has_keys = row.begin == 0 || (row.baseline >= 0 && row.baseline < static_cast<int64_t>(rows.size()) &&
                                             rows[row.baseline].begin == 0 && rows[row.baseline].end >= row.begin);
    TORCH_CHECK(inside && has_keys, "attend: a row at positions ", row.begin, " to ", row.end, " from token ",
                row.first_token, " with baseline row ", row.baseline, " does not fit ", qkv.size(0), " tokens");
  }
  qkv.is_cpu() ? AttendCpu(qkv, bias, rows, z) : AttendCuda(qkv, bias, rows, z);
}

void FanOut(const at::Tensor& x, const at::Tensor& z, const at::Tensor& bias, const at::Tensor& table,
            const LayerPlan& plan, at::Tensor& x_out, at::Tensor& z_out) {
  const int64_t m = static_cast<int64_t>(plan.source_token.size());
  const int64_t h = z.size(1);
  const int64_t dh = z.size(2);
  CheckRows("fan_out: x", x, {plan.n_tokens_in, h * dh});
  CheckRows("fan_out: z", z, {plan.n_tokens_in, h, dh});
  CheckRows("fan_out: x_out", x_out, {m, h * dh});
  CheckRows("fan_out: z_out", z_out, {m, h, dh});
  CheckVector("fan_out: bias", bias, h * dh);
  if (table.defined()) CheckRows("fan_out: table", table, {0, dh});
  const kernels::FanOutExtents extents = {.n_tokens_in = plan.n_tokens_in,
                                          .n_rows = static_cast<int64_t>(plan.row_edit_begin.size()) - 1,
                                          .n_edits = static_cast<int64_t>(plan.row_edits.size()),
                                          .n_entries = table.defined() ? table.size(0) : 0};
  const FanOutTables tables(plan, x.device());
  WithElementType(x, [&](auto element) {
    using T = decltype(element);
    kernels::FanOutArgs<T> args;
    args.x = x.data_ptr<T>();
    args.z = z.data_ptr<T>();
    args.bias = bias.data_ptr<T>();
    args.table = DataOrNull<T>(table);
    args.x_out = x_out.data_ptr<T>();
    args.z_out = z_out.data_ptr<T>();
    args.n_heads = static_cast<int32_t>(z.size(1));
    args.d_head = static_cast<int32_t>(z.size(2));
    tables.FillInHost(args);
    CheckArguments(kernels::CheckFanOutTables(args, extents));
    tables.FillIn(args);
    if (x.is_cpu()) {
      at::parallel_for(0, args.n_tokens_out, kRowGrain,
                       [&](int64_t begin, int64_t end) { kernels::FanOutCpu(args, begin, end); });
      return;
    }
    CheckLaunch("fan_out", kernels::FanOut(args, StreamOf(x)));
  });
}

}  // namespace ablate
