// The Engine over libtorch.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "engine/engine.h"
#include "engine/forward/weights.h"
#include "engine/forward/workspace.h"
#include "engine/model/config.h"

namespace ablate {

class GptEngine final : public Engine {
 public:
  GptEngine(Weights weights, GptConfig config, std::unique_ptr<const Tokenizer> tokenizer, EngineInfo info);

  const EngineInfo& Describe() const override { return info_; }
  const Tokenizer& tokenizer() const override { return *tokenizer_; }
  absl::Status Validate(const Scan& scan) const override;
  absl::StatusOr<int64_t> Cost(const Scan& scan) const override;
  absl::StatusOr<RunStats> Run(absl::Span<const Scan> scans, const BlockSink& sink) override;

  // The same under another token budget, for the self-test.
  absl::StatusOr<RunStats> RunWithin(int64_t max_packed_tokens, absl::Span<const Scan> scans, const BlockSink& sink);

  void set_batch_invariant(bool value) { info_.batch_invariant = value; }

 private:
  absl::StatusOr<RunStats> RunPlanned(int64_t max_packed_tokens, absl::Span<const Scan> scans, const BlockSink& sink);
  absl::Status Failed(const std::string& what);
  absl::Status OutOfMemory(const std::string& what);

  Weights weights_;
  GptConfig config_;
  std::unique_ptr<const Tokenizer> tokenizer_;
  EngineInfo info_;
  Workspace workspace_;
};

}  // namespace ablate
