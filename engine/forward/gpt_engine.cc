#include "engine/forward/gpt_engine.h"

#include <ATen/Parallel.h>
#include <c10/core/DeviceGuard.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "engine/forward/caught.h"
#include "engine/forward/chunk_runner.h"
#include "engine/forward/token_budget.h"
#include "engine/plan/check.h"
#include "engine/plan/plan.h"

namespace ablate {
namespace {

absl::Status OutOfRange(const char* field, int64_t value, int64_t begin, int64_t end) {
  return absl::InvalidArgumentError(absl::StrCat(field, ": got ", value, ", expected ", begin, " .. ", end - 1));
}

PlanPrompt AsPlanPrompt(const Scan& scan) {
  return {.n_tokens = static_cast<int32_t>(scan.token_ids.size()),
          .variants = scan.variants,
          .read_positions = scan.read_positions};
}

bool IsCancelled(const Scan& scan) {
  return scan.cancelled && scan.cancelled();
}

}  // namespace

GptEngine::GptEngine(Weights weights, GptConfig config, std::unique_ptr<const Tokenizer> tokenizer, EngineInfo info)
    : weights_(std::move(weights)),
      config_(config),
      tokenizer_(std::move(tokenizer)),
      info_(std::move(info)),
      workspace_(weights_.wte.options()) {}

absl::Status GptEngine::Validate(const Scan& scan) const {
  const int64_t n_tokens = static_cast<int64_t>(scan.token_ids.size());
  if (n_tokens < 1) return absl::InvalidArgumentError("token_ids: the prompt is empty, expected at least one token");
  if (n_tokens > config_.n_positions) {
    return absl::InvalidArgumentError(absl::StrCat("token_ids: the prompt has ", n_tokens,
                                                   " tokens, this model takes at most ", config_.n_positions));
  }
  for (int32_t id : scan.token_ids) {
    if (id < 0 || id >= config_.vocab_size) return OutOfRange("token_ids", id, 0, config_.vocab_size);
  }
  for (int32_t id : {scan.target_id, scan.contrast_id}) {
    if (id < -1 || id >= config_.vocab_size) {
      return OutOfRange(id == scan.target_id ? "target_id" : "contrast_id", id, 0, config_.vocab_size);
    }
  }
  const int32_t most_k = std::min(kMaxTopK, config_.vocab_size);
  if (scan.top_k < 0 || scan.top_k > most_k) return OutOfRange("top_k", scan.top_k, 0, most_k + 1);
  if (absl::Status status = CheckPrompt(AsPlanPrompt(scan), config_.n_layers); !status.ok()) return status;
  for (const Variant& variant : scan.variants) {
    for (const Edit& edit : variant.edits) {
      if (edit.site.head >= config_.n_heads) return OutOfRange("site.head", edit.site.head, 0, config_.n_heads);
      if (edit.entry != -1) return OutOfRange("entry", edit.entry, -1, 0);  // Run brings no edit table yet
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<int64_t> GptEngine::Cost(const Scan& scan) const {
  const PlanPrompt prompt = AsPlanPrompt(scan);
  const auto planner = Planner::Create({&prompt, 1}, {config_.n_layers, info_.max_packed_tokens});
  if (!planner.ok()) return planner.status();
  return planner->cost();
}

absl::StatusOr<RunStats> GptEngine::Run(absl::Span<const Scan> scans, const BlockSink& sink) {
  return RunWithin({info_.max_packed_tokens, info_.threads}, scans, sink);
}

// Where memory runs out, what is left runs again in chunks of half the size: on the CPU with the same bits.
absl::StatusOr<RunStats> GptEngine::RunWithin(const RunLimits& limits, absl::Span<const Scan> scans,
                                              const BlockSink& sink) {
  for (const Scan& scan : scans) {
    if (absl::Status status = Validate(scan); !status.ok()) return status;
  }
  RunStats stats;
  Delivered delivered;
  for (const Scan& scan : scans) delivered.emplace_back(scan.variants.size() + 1);
  for (int64_t budget = limits.max_packed_tokens;; budget /= 2) {
    absl::Status failure;
    try {
      const c10::InferenceMode no_autograd;
      // The current device belongs to the thread, and Run may be called from another one than Load.
      const c10::OptionalDeviceGuard on_device(weights_.wte.device());
      at::set_num_threads(limits.threads);
      if (absl::Status status = RunPlanned(budget, scans, sink, delivered, stats); !status.ok()) return status;
      return stats;
    } catch (...) {
      failure = CaughtStatus();
    }
    // Nothing is known of the buffers now, and where memory ran out they are what can be given back.
    workspace_.Clear();
    if (!absl::IsResourceExhausted(failure)) return failure;
    if (budget <= kFewestTokens) {
      return absl::ResourceExhaustedError(absl::StrCat(info_.device, " is out of memory, in chunks of ", budget,
                                                       " packed tokens too: ", failure.message(),
                                                       "; free memory, or send shorter prompts"));
    }
    ++stats.out_of_memory_retries;
  }
}

absl::Status GptEngine::RunPlanned(int64_t max_packed_tokens, absl::Span<const Scan> scans, const BlockSink& sink,
                                   Delivered& delivered, RunStats& stats) {
  const int64_t start_ns = absl::GetCurrentTimeNanos();
  std::vector<PlanPrompt> prompts;
  for (const Scan& scan : scans) prompts.push_back(AsPlanPrompt(scan));
  const absl::StatusOr<Planner> planner = Planner::Create(prompts, {config_.n_layers, max_packed_tokens});
  if (!planner.ok()) return planner.status();
  stats.plan_ns += absl::GetCurrentTimeNanos() - start_ns;

  ChunkRunner runner(weights_, config_, /*edit_table=*/{}, scans, workspace_);
  std::vector<bool> cancelled(scans.size());
  const auto is_wanted = [&](const ReadPoint& read) {
    return !cancelled[read.prompt] && !delivered[read.prompt][read.variant + 1];
  };
  for (int64_t i = 0; i < planner->n_chunks(); ++i) {
    const int64_t build_start_ns = absl::GetCurrentTimeNanos();
    const Chunk chunk = planner->Build(i);
    stats.plan_ns += absl::GetCurrentTimeNanos() - build_start_ns;
    bool is_needed = false;
    for (const ReadPoint& read : chunk.reads) {
      if (!cancelled[read.prompt]) cancelled[read.prompt] = IsCancelled(scans[read.prompt]);
      // A cut prompt's later chunks read the baseline that its first one keeps.
      is_needed |= is_wanted(read) || (chunk.keeps_baselines && !cancelled[read.prompt]);
    }
    if (!is_needed) continue;
    const int64_t chunk_start_ns = absl::GetCurrentTimeNanos();
    std::vector<ReadoutBlock> blocks = runner.Run(chunk, is_wanted);
    stats.forward_ns += absl::GetCurrentTimeNanos() - chunk_start_ns;
    ++stats.forward_passes;
    for (ReadoutBlock& block : blocks) {
      const int32_t scan = block.scan;
      const std::vector<int32_t> variants = block.variant;
      if (absl::Status status = sink(std::move(block)); !status.ok()) return status;
      for (const int32_t variant : variants) delivered[scan][variant + 1] = true;
    }
  }
  return absl::OkStatus();
}

}  // namespace ablate
