// An engine without a model: every number is a hash of what it is about, exact in few bits, plus noise that a test
// chooses.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "absl/strings/string_view.h"
#include "engine/engine.h"
#include "tests/server/fake_tokenizer.h"

namespace ablate {

// One number that the engine gives.
struct NoisyCell {
  // As RowBlock's; `kl_to_clean` is the engine's kl_from_donor.
  absl::string_view column;
  const Scan* scan = nullptr;
  int32_t variant = kBaselineVariant;
  int32_t position = 0;
};

struct NoisyOptions {
  Precision precision = Precision::kFloat32;
  int32_t n_layers = 2, n_heads = 3, n_positions = 20;
  // Added to a number; empty: nothing.
  std::function<double(const NoisyCell& cell)> noise;
  // How often a row comes, 1 where there is no value.
  std::function<int(int32_t variant, int32_t position)> copies;
  // What every Run ends with.
  absl::Status status;
};

class NoisyEngine final : public Engine {
 public:
  explicit NoisyEngine(NoisyOptions options);

  const EngineInfo& Describe() const override { return info_; }
  EngineInfo& info() { return info_; }
  const Tokenizer& tokenizer() const override { return tokenizer_; }
  const std::vector<double>& FoldedValueBias() const override { return folded_; }
  absl::Status Validate(const Scan& scan) const override;
  absl::StatusOr<int64_t> Cost(const Scan& scan) const override;
  absl::StatusOr<PlanWork> Work(absl::Span<const Scan> scans) const override;
  absl::StatusOr<RunStats> Run(absl::Span<const Scan> scans, const BlockSink& sink) override;

 private:
  const NoisyOptions options_;
  FakeTokenizer tokenizer_;
  EngineInfo info_;
  std::vector<double> folded_;
};

}  // namespace ablate
