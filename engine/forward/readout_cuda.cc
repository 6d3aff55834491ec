#include "engine/forward/readout_cuda.h"

#include <ATen/Functions.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <utility>

#include "engine/forward/compute_mode.h"
#include "engine/forward/cuda_launch.h"
#include "engine/forward/readout.h"
#include "engine/forward/tuned_launch.h"
#include "kernels/readout_check.h"
#include "kernels/readout_launch.h"

namespace ablate {
namespace {

std::vector<kernels::ReadoutTask> TasksOf(absl::Span<const LogitsQuery> queries) {
  std::vector<kernels::ReadoutTask> tasks;
  tasks.reserve(queries.size());
  int32_t top_k_begin = 0;
  for (const LogitsQuery& query : queries) {
    tasks.push_back({.row = static_cast<int32_t>(query.row),
                     .baseline_row = static_cast<int32_t>(query.baseline_row),
                     .target_id = query.target_id,
                     .contrast_id = query.contrast_id,
                     .top_k = query.top_k,
                     .top_k_begin = top_k_begin});
    top_k_begin += query.top_k;
  }
  return tasks;
}

enum class Blocks { kKnown, kMeasured };

// One kind for all numbers of rows: a row's bits are not to depend on what is read beside it.
void LaunchReadout(const kernels::ReadoutArgs& args, Blocks blocks, const at::Tensor& answers) {
  const auto kind = kernels::KindOf(kernels::TunedKernel::kReadout, args.n_vocab, 1);
  const auto launch = [&](kernels::BlockShape shape, cudaStream_t stream) {
    return kernels::Readout(args, stream, shape);
  };
  if (blocks == Blocks::kMeasured) return LaunchTuned("readout", kind, answers, launch);
  const kernels::BlockShape shape = ComputeModeScope::Current().batch_invariant
                                        ? kernels::UsualBlockShape(kind.kernel, kind.width)
                                        : BlockShapesOn(answers.device()).Of(kind);
  CheckLaunch("readout", launch(shape, StreamOf(answers)));
}

PendingReadout MeasureIn(Blocks blocks, const at::Tensor& logits, absl::Span<const LogitsQuery> queries) {
  LogitsReadout result(queries);
  const std::vector<kernels::ReadoutTask> tasks = TasksOf(queries);
  const at::TensorOptions bytes = at::TensorOptions(at::kByte).device(logits.device());
  const at::Tensor sums = at::empty({logits.size(0) * static_cast<int64_t>(sizeof(kernels::ReadoutSums))}, bytes);
  // In the order in which PendingReadout takes them, the strictest alignment in front.
  const size_t rows_bytes = result.rows.size() * sizeof(kernels::ReadoutRow);
  const size_t logprob_bytes = result.top_k_logprob.size() * sizeof(double);
  const size_t id_bytes = result.top_k_id.size() * sizeof(int32_t);
  const at::Tensor answers = at::empty({static_cast<int64_t>(rows_bytes + logprob_bytes + id_bytes)}, bytes);
  auto* const base = static_cast<std::byte*>(answers.data_ptr());
  kernels::ReadoutArgs args;
  args.logits = logits.const_data_ptr<float>();
  args.sums = static_cast<kernels::ReadoutSums*>(sums.data_ptr());
  args.results = reinterpret_cast<kernels::ReadoutRow*>(base);
  args.top_k_logprob = reinterpret_cast<double*>(base + rows_bytes);
  args.top_k_id = reinterpret_cast<int32_t*>(base + rows_bytes + logprob_bytes);
  args.n_rows = logits.size(0);
  args.n_tasks = static_cast<int64_t>(tasks.size());
  args.stride = logits.stride(0);
  args.n_vocab = static_cast<int32_t>(logits.size(1));
  for (const kernels::ReadoutTask& task : tasks) args.most_top_k = std::max(args.most_top_k, task.top_k);
  args.tasks = tasks.data();
  CheckArguments(kernels::CheckReadoutTasks(args, tasks.data()));
  const at::Tensor on_device = CopyTo(logits.device(), absl::MakeConstSpan(tasks));
  args.tasks = static_cast<const kernels::ReadoutTask*>(on_device.const_data_ptr());
  LaunchReadout(args, blocks, answers);
  at::Tensor staged = at::empty(answers.sizes(), at::TensorOptions(at::kByte).pinned_memory(true));
  staged.copy_(answers, /*non_blocking=*/true);
  c10::Event done(c10::DeviceType::CUDA);
  done.record(c10::cuda::getCurrentCUDAStream(logits.device().index()));
  return {std::move(result), std::move(staged), std::move(done)};
}

}  // namespace

PendingReadout MeasureCuda(const at::Tensor& logits, absl::Span<const LogitsQuery> queries) {
  return MeasureIn(Blocks::kKnown, logits, queries);
}

void MeasureReadoutBlocks(const GptConfig& config, c10::Device device) {
  constexpr std::chrono::milliseconds kMost(500);
  const int64_t rows = ReadoutBlockRows(DeviceKind::kCuda);
  const at::Tensor logits = at::zeros({rows, LogitsStride(config)}, at::TensorOptions(at::kFloat).device(device))
                                .narrow(1, 0, config.vocab_size);
  std::vector<LogitsQuery> queries(static_cast<size_t>(rows));
  for (int64_t row = 0; row < rows; ++row) queries[static_cast<size_t>(row)] = {.row = row, .target_id = 0};
  const MeasuringScope measuring(kMost);
  MeasureIn(Blocks::kMeasured, logits, queries);
}

}  // namespace ablate
