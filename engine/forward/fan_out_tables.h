// A LayerPlan's index tables in the layout of kernels/fan_out.h, on the device that runs it.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "engine/plan/plan.h"
#include "kernels/fan_out.h"

namespace ablate {

// The plan must outlive this: on the CPU the tables are its own vectors. On a GPU they are copies, alive as long as the
// kernel's stream needs them (the caching allocator orders their reuse behind it).
class FanOutTables {
 public:
  FanOutTables(const LayerPlan& plan, c10::Device device);

  // The same on the host, whatever the device, for checks.
  template <typename T>
  void FillInHost(kernels::FanOutArgs<T>& args) const {
    args.source_token = plan_.source_token.data();
    args.position = plan_.position.data();
    args.row = plan_.row.data();
    args.row_edit_begin = plan_.row_edit_begin.data();
    args.edits = host_edits_.data();
    args.n_tokens_out = n_tokens_out_;
  }

  template <typename T>
  void FillIn(kernels::FanOutArgs<T>& args) const {
    args.source_token = source_token_;
    args.position = position_;
    args.row = row_;
    args.row_edit_begin = row_edit_begin_;
    args.edits = edits_;
    args.n_tokens_out = n_tokens_out_;
  }

 private:
  const LayerPlan& plan_;
  std::vector<kernels::HeadEdit> host_edits_;
  at::Tensor device_bytes_;  // [bytes] uint8, all tables one after the other; undefined on the CPU
  const int32_t* source_token_ = nullptr;
  const int32_t* position_ = nullptr;
  const int32_t* row_ = nullptr;
  const int32_t* row_edit_begin_ = nullptr;
  const kernels::HeadEdit* edits_ = nullptr;
  int64_t n_tokens_out_ = 0;
};

}  // namespace ablate
