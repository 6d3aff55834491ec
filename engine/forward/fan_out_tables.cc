#include "engine/forward/fan_out_tables.h"

#include <cstring>

#include "engine/forward/cuda_launch.h"

namespace ablate {
namespace {

// Appends `values` to `bytes` at an offset that suits HeadEdit, and returns the offset.
template <typename T>
size_t Append(std::vector<uint8_t>& bytes, const std::vector<T>& values) {
  constexpr size_t kAlignment = alignof(kernels::HeadEdit);
  const size_t offset = (bytes.size() + kAlignment - 1) / kAlignment * kAlignment;
  bytes.resize(offset + values.size() * sizeof(T));
  if (!values.empty()) std::memcpy(bytes.data() + offset, values.data(), values.size() * sizeof(T));
  return offset;
}

}  // namespace

FanOutTables::FanOutTables(const LayerPlan& plan, c10::Device device)
    : plan_(plan), n_tokens_out_(static_cast<int64_t>(plan.source_token.size())) {
  host_edits_.reserve(plan.row_edits.size());
  for (const RowEdit& edit : plan.row_edits) {
    host_edits_.push_back({.head = edit.head,
                           .first_position = edit.positions.begin,
                           .end_position = edit.positions.end,
                           .scale = edit.scale,
                           .entry = edit.entry,
                           .entry_stride = edit.entry_stride,
                           .source_first = edit.source_first});
  }
  if (device.is_cpu()) {
    source_token_ = plan.source_token.data();
    position_ = plan.position.data();
    row_ = plan.row.data();
    row_edit_begin_ = plan.row_edit_begin.data();
    edits_ = host_edits_.data();
    return;
  }
  std::vector<uint8_t> bytes;
  const size_t source_token = Append(bytes, plan.source_token);
  const size_t position = Append(bytes, plan.position);
  const size_t row = Append(bytes, plan.row);
  const size_t row_edit_begin = Append(bytes, plan.row_edit_begin);
  const size_t edits = Append(bytes, host_edits_);
  device_bytes_ = CopyTo(device, absl::MakeConstSpan(bytes));
  const uint8_t* base = device_bytes_.const_data_ptr<uint8_t>();
  source_token_ = reinterpret_cast<const int32_t*>(base + source_token);
  position_ = reinterpret_cast<const int32_t*>(base + position);
  row_ = reinterpret_cast<const int32_t*>(base + row);
  row_edit_begin_ = reinterpret_cast<const int32_t*>(base + row_edit_begin);
  edits_ = reinterpret_cast<const kernels::HeadEdit*>(base + edits);
}

}  // namespace ablate
