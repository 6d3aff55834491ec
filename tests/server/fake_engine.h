// An engine that computes sums instead of a forward pass, remembers its runs, and can be made to wait, to fail, or to
// hand its rows out in another order.
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

// How a run's rows come: in blocks of so many (0: one block a scan), the last row first or not.
struct FakeBlocks {
  int rows = 0;
  bool backwards = false;
};

// What a test holds of an engine that the server owns. Thread-safe.
class FakeDevice {
 public:
  // Runs wait from now on, until Resume or until this many more have passed.
  void Pause() { Allow(0); }
  void Allow(int runs);
  void Resume();
  // Runs fail with `error` where `fails` says so of one of their scans.
  void FailWhere(std::function<bool(const Scan&)> fails, absl::Status error = absl::InternalError("no such kernel"));
  void SetBlocks(FakeBlocks blocks);
  // Called in the engine's thread between two of a run's blocks, which stand for chunks, before others may run there.
  void SetBetweenBlocks(std::function<void()> call);
  // What a scan costs, instead of its tokens x rows x layers.
  void SetCost(std::function<int64_t(const Scan&)> cost);

  // Waits until so many runs have begun; false after 10 s.
  bool WaitForRuns(size_t runs);
  // Waits until a run that waits has learnt that one of its scans is not wanted any more; false after 10 s.
  bool WaitForCancelled();
  // The token ids of each run's scans.
  std::vector<std::vector<std::vector<int32_t>>> runs() const;
  // The number of variants of each run's scans.
  std::vector<std::vector<size_t>> variants_of_runs() const;

  // Each text takes the tokenizer so long from now on; and how many it has had.
  void SlowTexts(absl::Duration each);
  int texts() const;

  // The engine's.
  void BeginText();
  absl::Status Begin(absl::Span<const Scan> scans);
  FakeBlocks blocks() const;
  void BetweenBlocks();
  int64_t Cost(const Scan& scan) const;

 private:
  bool MayRun() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return allowed_ != 0; }

  mutable absl::Mutex mu_;
  // Runs that may pass; negative: any number.
  int allowed_ ABSL_GUARDED_BY(mu_) = -1;
  absl::Duration text_takes_ ABSL_GUARDED_BY(mu_) = absl::ZeroDuration();
  int texts_ ABSL_GUARDED_BY(mu_) = 0;
  std::function<bool(const Scan&)> fails_ ABSL_GUARDED_BY(mu_);
  absl::Status error_ ABSL_GUARDED_BY(mu_);
  FakeBlocks blocks_ ABSL_GUARDED_BY(mu_);
  std::function<void()> between_ ABSL_GUARDED_BY(mu_);
  std::function<int64_t(const Scan&)> cost_ ABSL_GUARDED_BY(mu_);
  bool cancelled_ ABSL_GUARDED_BY(mu_) = false;
  std::vector<std::vector<std::vector<int32_t>>> runs_ ABSL_GUARDED_BY(mu_);
  std::vector<std::vector<size_t>> variants_ ABSL_GUARDED_BY(mu_);
};

// 2 layers x 3 heads of 4 elements, 32 positions. A scan costs tokens x rows x layers.
class FakeEngine : public Engine {
 public:
  static constexpr int32_t kLayers = 2, kHeads = 3, kHeadSize = 4, kPositions = 32;
  // What RunStats tells as the peak, for each variant of a run.
  static constexpr int64_t kVariantBytes = 4096;

  // What a scan's reads cost beside that: V / (4 D + 2 d_mlp) = 261 / (4 x 12 + 2 x 48) each, together rounded up.
  static constexpr int64_t ReadCost(int64_t n_reads) { return (n_reads * 261 + 143) / 144; }

  explicit FakeEngine(std::shared_ptr<FakeDevice> device, int64_t max_packed_tokens = 1000);

  const EngineInfo& Describe() const override { return info_; }
  EngineInfo& info() { return info_; }
  const Tokenizer& tokenizer() const override { return tokenizer_; }
  const std::vector<double>& FoldedValueBias() const override { return folded_value_bias_; }
  absl::Status Validate(const Scan& scan) const override;
  absl::StatusOr<int64_t> Cost(const Scan& scan) const override;
  absl::StatusOr<PlanWork> Work(absl::Span<const Scan> scans) const override;
  absl::StatusOr<RunStats> Run(absl::Span<const Scan> scans, const BlockSink& sink) override;

  // How much a site counts: (index + 1) / 8. All that is computed here is a sum of multiples of 2^-20, so exact.
  static double Weight(Site site) { return (site.layer * kHeads + site.head + 1) / 8.0; }
  // The "residual" at `position` of a run: the sum of its token ids up to there, each with what the edits of its
  // position do: an edit takes weight x token id away, and puts weight x the new value in. Edits in two sites add
  // another weight x weight, so that pairs interact.
  static double Residual(const Scan& scan, const Variant& variant, int32_t position);
  static double DonorResidual(const Scan& scan, int32_t position);
  // y and lp of a token, given the residual.
  static double Logit(double residual, int32_t id) { return residual * (1.0 + id / 256.0); }
  static double Logprob(double residual, int32_t id) { return -Logit(residual, id) / 1024.0; }
  // Of one run from another.
  static double Kl(double from, double to);
  // z of a token: what `on_head_outputs` gets.
  static double HeadOutput(int32_t token_id, Site site, int32_t element);

 private:
  const std::shared_ptr<FakeDevice> device_;
  FakeTokenizer tokenizer_{[this] { device_->BeginText(); }};
  EngineInfo info_;
  // [L, H, Dh]
  std::vector<double> folded_value_bias_;
};

}  // namespace ablate
