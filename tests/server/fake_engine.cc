#include "tests/server/fake_engine.h"

#include <numeric>
#include <utility>

#include "absl/time/clock.h"

namespace ablate {

void FakeDevice::Allow(int runs) {
  absl::MutexLock lock(&mu_);
  allowed_ = runs;
}

void FakeDevice::Resume() {
  Allow(-1);
}

void FakeDevice::FailWhere(std::function<bool(const Scan&)> fails, absl::Status error) {
  absl::MutexLock lock(&mu_);
  fails_ = std::move(fails);
  error_ = std::move(error);
}

void FakeDevice::SlowTexts(absl::Duration each) {
  absl::MutexLock lock(&mu_);
  text_takes_ = each;
}

int FakeDevice::texts() const {
  absl::MutexLock lock(&mu_);
  return texts_;
}

void FakeDevice::BeginText() {
  absl::Duration wait;
  {
    absl::MutexLock lock(&mu_);
    ++texts_;
    wait = text_takes_;
  }
  absl::SleepFor(wait);
}

bool FakeDevice::WaitForRuns(size_t runs) {
  absl::MutexLock lock(&mu_);
  const auto enough = [this, runs] { return runs_.size() >= runs; };
  return mu_.AwaitWithTimeout(absl::Condition(&enough), absl::Seconds(10));
}

std::vector<std::vector<std::vector<int32_t>>> FakeDevice::runs() const {
  absl::MutexLock lock(&mu_);
  return runs_;
}

absl::Status FakeDevice::Begin(absl::Span<const Scan> scans) {
  absl::MutexLock lock(&mu_);
  auto& run = runs_.emplace_back();
  for (const Scan& scan : scans) run.push_back(scan.token_ids);
  mu_.Await(absl::Condition(this, &FakeDevice::MayRun));
  if (allowed_ > 0) --allowed_;
  for (const Scan& scan : scans) {
    if (fails_ && fails_(scan)) return error_;
  }
  return absl::OkStatus();
}

FakeEngine::FakeEngine(std::shared_ptr<FakeDevice> device, int64_t max_packed_tokens) : device_(std::move(device)) {
  info_.n_layers = kLayers;
  info_.n_heads = kHeads;
  info_.d_model = 12;
  info_.d_head = 4;
  info_.d_mlp = 48;
  info_.vocab_size = FakeTokenizer::kVocabSize;
  info_.n_positions = kPositions;
  info_.n_parameters = 1234;
  info_.layer_norm_epsilon = 1e-5;
  info_.bos_token_id = FakeTokenizer::kBos;
  info_.weights_sha256 = "3e1f";
  info_.tokenizer_sha256 = tokenizer_.sha256();
  info_.device = "cpu";
  info_.device_name = "fake";
  info_.torch_version = "none";
  info_.max_packed_tokens = max_packed_tokens;
  info_.batch_invariant = true;
}

absl::Status FakeEngine::Validate(const Scan& scan) const {
  return scan.token_ids.empty() ? absl::InvalidArgumentError("token_ids is empty") : absl::OkStatus();
}

absl::StatusOr<int64_t> FakeEngine::Cost(const Scan& scan) const {
  return static_cast<int64_t>(scan.token_ids.size() * (1 + scan.variants.size())) * kLayers;
}

double FakeEngine::TargetLogprob(const std::vector<int32_t>& token_ids, int32_t target_id, int32_t layer,
                                 int32_t head) {
  const double sum = std::accumulate(token_ids.begin(), token_ids.end(), 0.0);
  return -(sum + target_id / 1024.0 + (layer + 1) * 1e6 + (head + 1) * 1e7);
}

absl::StatusOr<RunStats> FakeEngine::Run(absl::Span<const Scan> scans, const BlockSink& sink) {
  absl::Status status = device_->Begin(scans);
  if (!status.ok()) return status;
  for (size_t s = 0; s < scans.size(); ++s) {
    const Scan& scan = scans[s];
    if (scan.cancelled && scan.cancelled()) continue;
    ReadoutBlock block;
    block.scan = static_cast<int32_t>(s);
    for (int32_t v = -1; v < static_cast<int32_t>(scan.variants.size()); ++v) {
      const Site site = v < 0 ? Site{-1, -1} : scan.variants[static_cast<size_t>(v)].edits.at(0).site;
      block.variant.push_back(v);
      block.position.push_back(scan.read_positions.at(0));
      if (scan.target_id >= 0) {
        block.target_logprob.push_back(TargetLogprob(scan.token_ids, scan.target_id, site.layer, site.head));
      }
      block.top1_id.push_back(scan.token_ids.back());
      block.top1_preserved.push_back(1);
      block.kl_divergence.push_back(v < 0 ? 0 : 0.5);
      for (int32_t k = 0; k < scan.top_k; ++k) {
        block.top_k_id.push_back(k);
        block.top_k_logprob.push_back(-k);
      }
    }
    status = sink(std::move(block));
    if (!status.ok()) return status;
  }
  return RunStats{.plan_ns = 1, .forward_ns = 1000, .forward_passes = 1};
}

}  // namespace ablate
