// An engine that computes a sum instead of a forward pass, remembers its runs, and can be made to wait or to fail.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "engine/engine.h"
#include "tests/server/fake_tokenizer.h"

namespace ablate {

// What a test holds of an engine that the server owns. Thread-safe.
class FakeDevice {
 public:
  // Runs wait from now on, until Resume or until this many more have passed.
  void Pause() { Allow(0); }
  void Allow(int runs);
  void Resume();
  // Runs fail with `error` where `fails` says so of one of their scans.
  void FailWhere(std::function<bool(const Scan&)> fails, absl::Status error = absl::InternalError("no such kernel"));

  // Waits until so many runs have begun; false after 10 s.
  bool WaitForRuns(size_t runs);
  // The token ids of each run's scans.
  std::vector<std::vector<std::vector<int32_t>>> runs() const;

  // Each text takes the tokenizer so long from now on; and how many it has had.
  void SlowTexts(absl::Duration each);
  int texts() const;

  // The engine's.
  void BeginText();
  absl::Status Begin(absl::Span<const Scan> scans);

 private:
  bool MayRun() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return allowed_ != 0; }

  mutable absl::Mutex mu_;
  // Runs that may pass; negative: any number.
  int allowed_ ABSL_GUARDED_BY(mu_) = -1;
  absl::Duration text_takes_ ABSL_GUARDED_BY(mu_) = absl::ZeroDuration();
  int texts_ ABSL_GUARDED_BY(mu_) = 0;
  std::function<bool(const Scan&)> fails_ ABSL_GUARDED_BY(mu_);
  absl::Status error_ ABSL_GUARDED_BY(mu_);
  std::vector<std::vector<std::vector<int32_t>>> runs_ ABSL_GUARDED_BY(mu_);
};

// 2 layers x 3 heads, 32 positions. A scan costs tokens x rows x layers.
class FakeEngine final : public Engine {
 public:
  static constexpr int32_t kLayers = 2, kHeads = 3, kPositions = 32;

  explicit FakeEngine(std::shared_ptr<FakeDevice> device, int64_t max_packed_tokens = 1000);

  const EngineInfo& Describe() const override { return info_; }
  const Tokenizer& tokenizer() const override { return tokenizer_; }
  absl::Status Validate(const Scan& scan) const override;
  absl::StatusOr<int64_t> Cost(const Scan& scan) const override;
  absl::StatusOr<RunStats> Run(absl::Span<const Scan> scans, const BlockSink& sink) override;

  // What a row's `target_logprob` is: of the ids' sum, the target and the variant's site; -1 is the baseline.
  static double TargetLogprob(const std::vector<int32_t>& token_ids, int32_t target_id, int32_t layer, int32_t head);

 private:
  const std::shared_ptr<FakeDevice> device_;
  FakeTokenizer tokenizer_{[this] { device_->BeginText(); }};
  EngineInfo info_;
};

}  // namespace ablate
