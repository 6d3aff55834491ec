#include "tests/server/fake_engine.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "engine/scan_plan.h"
#include "tests/server/fake_readout.h"

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

void FakeDevice::SetBlocks(FakeBlocks blocks) {
  absl::MutexLock lock(&mu_);
  blocks_ = blocks;
}

FakeBlocks FakeDevice::blocks() const {
  absl::MutexLock lock(&mu_);
  return blocks_;
}

void FakeDevice::SetBetweenBlocks(std::function<void()> call) {
  absl::MutexLock lock(&mu_);
  between_ = std::move(call);
}

void FakeDevice::BetweenBlocks() {
  std::function<void()> call;
  {
    absl::MutexLock lock(&mu_);
    call = between_;
  }
  if (call) call();
}

void FakeDevice::SetCost(std::function<int64_t(const Scan&)> cost) {
  absl::MutexLock lock(&mu_);
  cost_ = std::move(cost);
}

int64_t FakeDevice::Cost(const Scan& scan) const {
  std::function<int64_t(const Scan&)> cost;
  {
    absl::MutexLock lock(&mu_);
    cost = cost_;
  }
  if (cost) return cost(scan);
  const size_t unedited = scan.donor_token_ids.empty() ? 1 : 2;
  return static_cast<int64_t>(scan.token_ids.size() * (unedited + scan.variants.size())) * FakeEngine::kLayers;
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

bool FakeDevice::WaitForCancelled() {
  absl::MutexLock lock(&mu_);
  return mu_.AwaitWithTimeout(absl::Condition(&cancelled_), absl::Seconds(10));
}

std::vector<std::vector<std::vector<int32_t>>> FakeDevice::runs() const {
  absl::MutexLock lock(&mu_);
  return runs_;
}

std::vector<std::vector<size_t>> FakeDevice::variants_of_runs() const {
  absl::MutexLock lock(&mu_);
  return variants_;
}

absl::Status FakeDevice::Begin(absl::Span<const Scan> scans) {
  absl::MutexLock lock(&mu_);
  auto& run = runs_.emplace_back();
  auto& variants = variants_.emplace_back();
  for (const Scan& scan : scans) {
    run.push_back(scan.token_ids);
    variants.push_back(scan.variants.size());
  }
  while (!mu_.AwaitWithTimeout(absl::Condition(this, &FakeDevice::MayRun), absl::Milliseconds(10))) {
    for (const Scan& scan : scans) cancelled_ = cancelled_ || (scan.cancelled && scan.cancelled());
  }
  if (allowed_ > 0) --allowed_;
  for (const Scan& scan : scans) {
    if (fails_ && fails_(scan)) return error_;
  }
  return absl::OkStatus();
}

FakeEngine::FakeEngine(std::shared_ptr<FakeDevice> device, int64_t max_packed_tokens) : device_(std::move(device)) {
  info_.n_layers = kLayers;
  info_.n_heads = kHeads;
  info_.d_model = kHeads * kHeadSize;
  info_.d_head = kHeadSize;
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
  info_.memory_budget_bytes = int64_t{3} << 29;
  info_.batch_invariant = true;
  for (int32_t i = 0; i < kLayers * kHeads * kHeadSize; ++i) folded_value_bias_.push_back(i / 4.0);
}

absl::Status FakeEngine::Validate(const Scan& scan) const {
  return scan.token_ids.empty() ? absl::InvalidArgumentError("token_ids is empty") : absl::OkStatus();
}

absl::StatusOr<int64_t> FakeEngine::Cost(const Scan& scan) const {
  return device_->Cost(scan);
}

absl::StatusOr<PlanWork> FakeEngine::Work(absl::Span<const Scan> scans) const {
  const auto planner = PlannerOf(scans, {kLayers, info_.max_packed_tokens});
  if (!planner.ok()) return planner.status();
  return planner->Work();
}

double FakeEngine::Residual(const Scan& scan, const Variant& variant, int32_t position) {
  double sum = 0;
  for (int32_t p = 0; p <= position; ++p) {
    const auto at = static_cast<size_t>(p);
    const double id = scan.token_ids[at];
    double weights = 0, squares = 0;
    sum += id;
    for (const Edit& edit : variant.edits) {
      if (p < edit.positions.begin || p >= edit.positions.end) continue;
      double value = static_cast<double>(edit.scale) * (edit.from_donor ? scan.donor_token_ids[at] : id);
      if (edit.entry >= 0) {
        const int32_t row = edit.entry + edit.entry_stride * p;
        value += scan.table->values.at(static_cast<size_t>(row) * static_cast<size_t>(scan.table->d_head));
      }
      const double weight = Weight(edit.site);
      sum += weight * (value - id);
      weights += weight;
      squares += weight * weight;
    }
    sum += (weights * weights - squares) / 2;
  }
  return sum;
}

double FakeEngine::DonorResidual(const Scan& scan, int32_t position) {
  double sum = 0;
  for (int32_t p = 0; p <= position; ++p) sum += scan.donor_token_ids[static_cast<size_t>(p)];
  return sum;
}

double FakeEngine::Kl(double from, double to) {
  return std::abs(from - to) / 256.0;
}

double FakeEngine::HeadOutput(int32_t token_id, Site site, int32_t element) {
  return token_id * Weight(site) + element;
}

absl::StatusOr<RunStats> FakeEngine::Run(absl::Span<const Scan> scans, const BlockSink& sink) {
  absl::Status status = device_->Begin(scans);
  if (!status.ok()) return status;
  const FakeBlocks order = device_->blocks();
  int64_t variants = 0;
  for (size_t s = 0; s < scans.size(); ++s) {
    const Scan& scan = scans[s];
    variants += static_cast<int64_t>(scan.variants.size());
    if (scan.cancelled && scan.cancelled()) continue;
    if (scan.on_head_outputs) {
      HeadOutputs z;  // [L, T, H, Dh]
      for (int32_t layer = 0; layer < kLayers; ++layer) {
        for (const int32_t id : scan.token_ids) {
          for (int32_t head = 0; head < kHeads; ++head) {
            for (int32_t d = 0; d < kHeadSize; ++d) z.push_back(HeadOutput(id, {layer, head}, d));
          }
        }
      }
      status = scan.on_head_outputs(z);
      if (!status.ok()) return status;
    }
    std::vector<FakeRow> rows = FakeRows(scan);
    if (order.backwards) std::reverse(rows.begin(), rows.end());
    const size_t block_rows = order.rows == 0 ? rows.size() : static_cast<size_t>(order.rows);
    for (size_t begin = 0; begin < rows.size(); begin += block_rows) {
      const size_t count = std::min(block_rows, rows.size() - begin);
      if (begin > 0) device_->BetweenBlocks();
      if (begin > 0 && scans[0].between_chunks && (!scans[0].others_wait || scans[0].others_wait())) {
        scans[0].between_chunks();
      }
      ReadoutBlock block = FakeReadout(scan, absl::MakeConstSpan(rows).subspan(begin, count));
      block.scan = static_cast<int32_t>(s);
      status = sink(std::move(block));
      if (!status.ok()) return status;
    }
  }
  return RunStats{
      .plan_ns = 1, .forward_ns = 1000, .readout_ns = 100, .peak_bytes = variants * kVariantBytes, .forward_passes = 1};
}

}  // namespace ablate
