#include "engine/forward/readout_cuda.h"

#include <algorithm>
#include <cstring>

#include "engine/forward/cuda_launch.h"
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

// Room for `count` values on the device, and the way back.
template <typename T>
class DeviceRoom {
 public:
  DeviceRoom(size_t count, c10::Device device)
      : bytes_(at::empty({static_cast<int64_t>(count * sizeof(T))}, at::TensorOptions(at::kByte).device(device))) {}

  T* data() { return static_cast<T*>(bytes_.data_ptr()); }
  void CopyTo(std::vector<T>& host) const {
    const at::Tensor bytes = bytes_.cpu();
    if (!host.empty()) std::memcpy(host.data(), bytes.const_data_ptr(), host.size() * sizeof(T));
  }

 private:
  at::Tensor bytes_;
};

}  // namespace

LogitsReadout MeasureCuda(const at::Tensor& logits, absl::Span<const LogitsQuery> queries) {
  LogitsReadout result(queries);
  const std::vector<kernels::ReadoutTask> tasks = TasksOf(queries);
  const auto n_rows = static_cast<size_t>(logits.size(0));
  DeviceRoom<kernels::ReadoutSums> sums(n_rows, logits.device());
  DeviceRoom<kernels::ReadoutRow> rows(result.rows.size(), logits.device());
  DeviceRoom<int32_t> top_k_id(result.top_k_id.size(), logits.device());
  DeviceRoom<double> top_k_logprob(result.top_k_logprob.size(), logits.device());
  kernels::ReadoutArgs args;
  args.logits = logits.const_data_ptr<float>();
  args.sums = sums.data();
  args.results = rows.data();
  args.top_k_id = top_k_id.data();
  args.top_k_logprob = top_k_logprob.data();
  args.n_rows = logits.size(0);
  args.n_tasks = static_cast<int64_t>(tasks.size());
  args.stride = logits.stride(0);
  args.n_vocab = static_cast<int32_t>(logits.size(1));
  for (const kernels::ReadoutTask& task : tasks) args.most_top_k = std::max(args.most_top_k, task.top_k);
  args.tasks = tasks.data();
  CheckArguments(kernels::CheckReadoutTasks(args, tasks.data()));
  const at::Tensor on_device = CopyTo(logits.device(), absl::MakeConstSpan(tasks));
  args.tasks = static_cast<const kernels::ReadoutTask*>(on_device.const_data_ptr());
  CheckLaunch("readout", kernels::Readout(args, StreamOf(logits)));
  rows.CopyTo(result.rows);
  top_k_id.CopyTo(result.top_k_id);
  top_k_logprob.CopyTo(result.top_k_logprob);
  return result;
}

}  // namespace ablate
