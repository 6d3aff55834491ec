// Takes the results of the `heads` sweep that chooses sites.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <utility>

#include "ablation/v1/scan.pb.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/request.h"
#include "server/row_assembler.h"
#include "server/selection.h"

namespace ablate {

class SelectionSink final : public ResultSink {
 public:
  struct Callbacks {
    // As ResultSink::Abandoned.
    std::function<bool()> abandoned;
    // Once, and last; from the thread that Complete is called from. Must not block.
    std::function<void(absl::StatusOr<ablation::v1::Selection> selection, const RequestTiming& timing)> done;
  };

  SelectionSink(std::shared_ptr<const PreparedRequest> prepared, Callbacks callbacks)
      : callbacks_(std::move(callbacks)),
        assembler_(prepared, /*is_over_pairs=*/false),
        strengths_(std::in_place, std::move(prepared)) {}

  absl::Status TakeBlock(ReadoutBlock block, size_t unit) override {
    const auto rows = assembler_.Take(block, unit);
    if (!rows.ok()) return rows.status();
    strengths_->Take(rows->prompt, rows->plain);
    strengths_->Take(rows->prompt, rows->normalized);
    return absl::OkStatus();
  }
  absl::Status EndPrompt(int32_t prompt, const EngineUse& /*so_far*/) override { return assembler_.EndPrompt(prompt); }
  void Complete(absl::Status status, const RequestTiming& timing) override {
    auto selection = status.ok() ? absl::StatusOr<ablation::v1::Selection>(strengths_->Order()) : std::move(status);
    // Their room is what the second sweep's summary takes.
    strengths_.reset();
    callbacks_.done(std::move(selection), timing);
  }
  bool Abandoned() const override { return callbacks_.abandoned(); }
  // Nothing waits for a reader here.
  int64_t waiting_bytes() const override { return 0; }
  int64_t max_waiting_bytes() const override { return std::numeric_limits<int64_t>::max(); }

 private:
  const Callbacks callbacks_;
  RowAssembler assembler_;
  std::optional<SiteStrengths> strengths_;
};

}  // namespace ablate
