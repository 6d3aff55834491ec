#include "engine/forward/logits_readout.h"

#include <ATen/Functions.h>
#include <ATen/Parallel.h>

#include <cstring>

#include "engine/forward/readout_cuda.h"
#include "engine/types.h"
#include "kernels/cpu/readout.h"

namespace ablate {
namespace {

static_assert(kMaxTopK <= kernels::kMaxTopK);

template <typename T>
LogitsReadout MeasureCpu(const at::Tensor& logits, absl::Span<const LogitsQuery> queries) {
  LogitsReadout result(queries);
  std::vector<kernels::cpu::ReadoutQuery<T>> native(queries.size());
  const T* data = logits.const_data_ptr<T>();
  const int64_t stride = logits.stride(0);
  size_t top_k_at = 0;
  for (size_t i = 0; i < queries.size(); ++i) {
    const LogitsQuery& query = queries[i];
    native[i].logits = data + query.row * stride;
    native[i].baseline = data + query.baseline_row * stride;
    native[i].target_id = query.target_id;
    native[i].contrast_id = query.contrast_id;
    native[i].top_k = query.top_k;
    native[i].top_k_id = result.top_k_id.data() + top_k_at;
    native[i].top_k_logprob = result.top_k_logprob.data() + top_k_at;
    top_k_at += query.top_k;
  }
  at::parallel_for(0, static_cast<int64_t>(queries.size()), 1, [&](int64_t begin, int64_t end) {
    kernels::cpu::Readout(native.data(), static_cast<int32_t>(logits.size(1)), result.rows.data(), begin, end);
  });
  return result;
}

}  // namespace

LogitsReadout::LogitsReadout(absl::Span<const LogitsQuery> queries) : rows(queries.size()) {
  size_t n_top_k = 0;
  for (const LogitsQuery& query : queries) n_top_k += query.top_k;
  top_k_id.resize(n_top_k);
  top_k_logprob.resize(n_top_k);
}

LogitsReadout PendingReadout::Take() && {
  if (!done_.has_value()) return std::move(answers_);
  done_->synchronize();
  const auto* from = static_cast<const std::byte*>(staged_.const_data_ptr());
  const auto take = [&from]<typename T>(std::vector<T>& to) {
    if (!to.empty()) std::memcpy(to.data(), from, to.size() * sizeof(T));
    from += to.size() * sizeof(T);
  };
  take(answers_.rows);
  take(answers_.top_k_logprob);
  take(answers_.top_k_id);
  return std::move(answers_);
}

PendingReadout MeasureLogits(const at::Tensor& logits, absl::Span<const LogitsQuery> queries) {
  if (!logits.is_cpu()) return MeasureCuda(logits, queries);
  return PendingReadout(logits.scalar_type() == at::kDouble ? MeasureCpu<double>(logits, queries)
                                                            : MeasureCpu<float>(logits, queries));
}

}  // namespace ablate
