#include "engine/forward/kept_tuning.h"

#include <chrono>
#include <exception>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace ablate {

KeptTuning::KeptTuning(kernels::CublasLt& cublas_lt, kernels::BlockShapes& block_shapes, TuningFile file,
                       std::function<void(const std::string&)> warn)
    : cublas_lt_(cublas_lt),
      block_shapes_(block_shapes),
      file_(std::move(file)),
      warn_(std::move(warn)),
      n_kept_(n_measured()) {
  const auto kept = file_.Read();
  if (!kept.ok()) {
    warn_(absl::StrCat("what is fastest on this GPU is measured anew: ", kept.status().message()));
    return;
  }
  for (const kernels::MeasuredGemm& one : kept->gemms) cublas_lt_.Adopt(one);
  for (const kernels::MeasuredBlockShape& one : kept->blocks) block_shapes_.Adopt(one);
}

KeptTuning::~KeptTuning() {
  if (writing_.valid()) writing_.wait();
  Keep();
}

void KeptTuning::Keep() noexcept {
  if (has_given_up_ || n_measured() == n_kept_) return;
  try {
    if (writing_.valid()) {
      if (writing_.wait_for(std::chrono::seconds(0)) != std::future_status::ready) return;
      has_given_up_ = !writing_.get();
      if (has_given_up_) return;
    }
    n_kept_ = n_measured();
    to_write_ = {cublas_lt_.measured(), block_shapes_.measured()};
    writing_ = std::async(std::launch::async, [this] { return Write(); });
  } catch (const std::exception&) {
    has_given_up_ = true;  // no thread to be had
  }
}

bool KeptTuning::Write() const noexcept {
  try {
    const absl::Status status = file_.Add(to_write_);
    if (!status.ok()) warn_(absl::StrCat("what is fastest on this GPU is not kept: ", status.message()));
    return status.ok();
  } catch (const std::exception&) {
    return false;
  }
}

}  // namespace ablate
