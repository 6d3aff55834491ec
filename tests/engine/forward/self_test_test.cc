// Whether the self-test notices: runs whose values depend on what they must not depend on.
#include "engine/forward/self_test.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>

namespace ablate {
namespace {

// What a fake engine's value depends on, beside its own scan and variant.
using Disturbance = std::function<double(const RunLimits&, absl::Span<const Scan>)>;

EngineInfo Info() {
  EngineInfo info;
  info.n_layers = 4;
  info.n_heads = 3;
  info.vocab_size = 300;
  info.n_positions = 1024;
  info.threads = 2;
  info.max_packed_tokens = 10'000;
  return info;
}

LimitedRun FakeRun(const Disturbance& disturbance) {
  return [disturbance](const RunLimits& limits, absl::Span<const Scan> scans,
                       const BlockSink& sink) -> absl::StatusOr<RunStats> {
    for (size_t s = 0; s < scans.size(); ++s) {
      ReadoutBlock block;
      block.scan = static_cast<int32_t>(s);
      for (int32_t v = -1; v < static_cast<int32_t>(scans[s].variants.size()); ++v) {
        double value = static_cast<double>(scans[s].token_ids.size());
        if (v >= 0) value += 0.1 * scans[s].variants[v].edits[0].site.layer;
        block.variant.push_back(v);
        block.target_logit.push_back(value);
        block.target_logprob.push_back(value + disturbance(limits, scans));
        block.entropy.push_back(value);
        block.kl_divergence.push_back(v < 0 ? 0 : value);
      }
      if (absl::Status status = sink(std::move(block)); !status.ok()) return status;
    }
    return RunStats{};
  };
}

bool Found(const Disturbance& disturbance) {
  return !IsBatchInvariant(Info(), FakeRun(disturbance)).value();
}

TEST(SelfTest, PassesWhereValuesDependOnTheirScanAlone) {
  EXPECT_FALSE(Found([](const RunLimits&, absl::Span<const Scan>) { return 0.0; }));
}

TEST(SelfTest, FindsOneBitThatNeighboursChange) {
  EXPECT_TRUE(Found([](const RunLimits&, absl::Span<const Scan> scans) { return scans.size() > 1 ? 1e-15 : 0; }));
}

TEST(SelfTest, FindsOneBitThatCutsChange) {
  EXPECT_TRUE(Found(
      [](const RunLimits& limits, absl::Span<const Scan>) { return limits.max_packed_tokens < 100 ? 1e-15 : 0; }));
}

TEST(SelfTest, FindsOneBitThatThreadsChange) {
  EXPECT_TRUE(Found([](const RunLimits& limits, absl::Span<const Scan>) { return limits.threads == 1 ? 1e-15 : 0; }));
}

TEST(SelfTest, TheRunsErrorIsItsOwn) {
  const absl::StatusOr<bool> result =
      IsBatchInvariant(Info(), [](const RunLimits&, absl::Span<const Scan>, const BlockSink&) {
        return absl::StatusOr<RunStats>(absl::InternalError("no device"));
      });
  EXPECT_EQ(result.status().message(), "no device");
}

}  // namespace
}  // namespace ablate
