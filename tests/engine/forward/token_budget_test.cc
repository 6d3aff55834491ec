#include "engine/forward/token_budget.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace ablate {
namespace {

constexpr int64_t kGiB = int64_t{1} << 30;

GptConfig Gpt2Small() {
  GptConfig config;
  config.n_layers = config.n_heads = 12;
  config.d_model = 768;
  config.d_head = 64;
  config.d_mlp = 3072;
  config.vocab_size = 50'257;
  config.n_positions = 1024;
  return config;
}

TEST(TokenBudget, StaysWithinItsBounds) {
  EXPECT_EQ(TokenBudget(Gpt2Small(), Precision::kFloat32, DeviceKind::kCpu, 0), 256);
  EXPECT_EQ(TokenBudget(Gpt2Small(), Precision::kFloat32, DeviceKind::kCpu, 64 * kGiB), 16'384);
  EXPECT_EQ(TokenBudget(Gpt2Small(), Precision::kFloat32, DeviceKind::kCuda, 0), 256);
  EXPECT_EQ(TokenBudget(Gpt2Small(), Precision::kFloat32, DeviceKind::kCuda, 80 * kGiB), 262'144);
}

// 6,912 elements a token: two residuals, the normed one, heads twice, the hidden layer.
TEST(TokenBudget, LeavesRoomForLogitsAndKeptBaselines) {
  const int64_t tokens = TokenBudget(Gpt2Small(), Precision::kFloat32, DeviceKind::kCpu, kGiB / 4);
  const int64_t logits_and_kept = (256 * 50'257 + 13 * 1024 * 768) * int64_t{4};
  EXPECT_EQ(tokens, (kGiB / 4 - logits_and_kept) / 2 / (6'912 * 4));
}

TEST(TokenBudget, AWiderTypeHoldsFewer) {
  EXPECT_LT(2 * TokenBudget(Gpt2Small(), Precision::kFloat64, DeviceKind::kCpu, kGiB / 2),
            TokenBudget(Gpt2Small(), Precision::kFloat32, DeviceKind::kCpu, kGiB / 2));
}

// Twelve float64 tensors of the logits' shape, and QKV with the result of 32,768 padded tokens.
TEST(TokenBudget, CudaHasCopiesToHoldToo) {
  const int64_t tokens = TokenBudget(Gpt2Small(), Precision::kFloat32, DeviceKind::kCuda, 4 * kGiB);
  const int64_t logits_and_kept = (256 * 50'257 + 13 * 1024 * 768) * int64_t{4};
  const int64_t copies = 12 * 8 * int64_t{256} * 50'257 + 5 * 768 * 32'768 * int64_t{4};
  EXPECT_EQ(tokens, (4 * kGiB - logits_and_kept - copies) / 2 / (6'912 * 4));
}

}  // namespace
}  // namespace ablate
