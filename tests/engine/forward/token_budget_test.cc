#include "engine/forward/token_budget.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

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

int64_t Budget(Precision precision, DeviceKind device, int64_t bytes) {
  return TokenBudget(Gpt2Small(), {precision, device, bytes});
}

// A block of logits in rows of 50,304; and what a cut prompt keeps of its baseline and donor.
int64_t LogitsAndKept(int64_t block_rows) {
  return (block_rows * 50'304 + 2 * 13 * 1024 * 768) * 4;
}

// What effects take: so many cells, a layer's weights, and what a cut prompt keeps for them.
int64_t Effects(int64_t cells) {
  return 8 * (cells * int64_t{4 * 768 + 3 * 3'072} + 768 * (768 + 3'072) + 13 * 1024 * int64_t{768 + 13});
}

TEST(TokenBudget, StaysWithinItsBounds) {
  EXPECT_EQ(Budget(Precision::kFloat32, DeviceKind::kCpu, 0), 256);
  EXPECT_EQ(Budget(Precision::kFloat32, DeviceKind::kCpu, 32 * kGiB), 16'384);
  EXPECT_EQ(Budget(Precision::kFloat32, DeviceKind::kCuda, 0), 256);
  EXPECT_EQ(Budget(Precision::kFloat32, DeviceKind::kCuda, 40 * kGiB), 65'536);
}

// 6,912 elements a token: two residuals, the normed one, heads twice, the hidden layer.
TEST(TokenBudget, LeavesRoomForLogitsAndKeptBaselines) {
  EXPECT_EQ(Budget(Precision::kFloat32, DeviceKind::kCpu, kGiB / 2),
            (kGiB / 2 - LogitsAndKept(1024) - Effects(256)) / (6'912 * 4));
}

TEST(TokenBudget, AWiderTypeHoldsFewer) {
  EXPECT_LT(2 * Budget(Precision::kFloat64, DeviceKind::kCpu, kGiB / 2),
            Budget(Precision::kFloat32, DeviceKind::kCpu, kGiB / 2));
}

// Answers to three queries for each row of logits, QKV with the result of 32,768 padded tokens,
// and the cells of effects.
TEST(TokenBudget, CudaHasMoreToHold) {
  // Readouts' queries, attention's padded copies, recorded passes; and of each token 60 bytes of tables a layer, and
  // twelve answers of 56 bytes.
  const int64_t beside = 3 * 256 * int64_t{2048} + 5 * 768 * 32'768 * int64_t{4} + (int64_t{64} << 20);
  EXPECT_EQ(Budget(Precision::kFloat32, DeviceKind::kCuda, 2 * kGiB),
            (2 * kGiB - LogitsAndKept(256) - beside - Effects(4'096)) / (6'912 * 4 + 12 * 60 + 12 * 56));
}

// With the least that Load takes, a pass of 256 tokens just fits.
TEST(TokenBudget, TheLeastHoldsTheSmallestPass) {
  for (const auto& [device, elements] : {std::pair{DeviceKind::kCpu, 6'912}, {DeviceKind::kCuda, 7'260}}) {
    const int64_t least = LeastMemoryBudget(Gpt2Small(), Precision::kFloat32, device);
    EXPECT_EQ(Budget(Precision::kFloat32, device, least), 256);
    EXPECT_EQ(Budget(Precision::kFloat32, device, least + elements * int64_t{4}), 257);
  }
}

class TokensOfPassTest : public ::testing::Test {
 protected:
  TokensOfPassTest() {
    outputs_.on_head_outputs = [](const HeadOutputs& /*z*/) { return absl::OkStatus(); };
    effects_.effects = true;
  }
  // In a budget that holds just `tokens` without anything else.
  static int64_t Tokens(int64_t tokens, const std::vector<Scan>& scans, Precision precision = Precision::kFloat32) {
    const int64_t token_bytes = 6'912 * (precision == Precision::kFloat64 ? 8 : 4);
    const int64_t least = LeastMemoryBudget(Gpt2Small(), precision, DeviceKind::kCpu);
    return TokensOfPass(Gpt2Small(), {precision, DeviceKind::kCpu, least + (tokens - 256) * token_bytes}, tokens,
                        scans);
  }

  Scan plain_, outputs_, effects_;
};

TEST_F(TokensOfPassTest, PlainScansTakeAll) {
  EXPECT_EQ(Tokens(16'384, {plain_, plain_}), 16'384);
}

// Layers x width beside the 6,912 of the pass itself: what one scan of many wants, all pay for.
TEST_F(TokensOfPassTest, HeadOutputsCountAsMuchAsThePass) {
  EXPECT_EQ(Tokens(16'384, {plain_, outputs_}), 16'384 * 6'912 / (6'912 + 12 * 768));
  EXPECT_EQ(Tokens(16'384, {outputs_}, Precision::kFloat64), 16'384 * 6'912 / (6'912 + 12 * 768));
}

// They lie on the host: without this, those of a pass of so many tokens, which somebody asked for, would take 9.7 GB.
TEST_F(TokensOfPassTest, HeadOutputsAreBoundedOnTheHost) {
  const int64_t tokens = Tokens(262'144, {outputs_});
  EXPECT_LE(tokens * 12 * 768 * 4, kGiB);
  EXPECT_GT((tokens + 1) * 12 * 768 * 4, kGiB);
}

// In float64: 12 x 13 parts three times, the residual's change twice.
TEST_F(TokensOfPassTest, EffectsCountTheirCells) {
  const int64_t cell = 8 * (3 * 12 * 13 + 2 * 768);
  EXPECT_EQ(Tokens(16'384, {effects_, plain_}), 16'384 * int64_t{6'912 * 4} / (6'912 * 4 + cell));
}

// Two that are copied behind one another; one alone is as it is.
TEST_F(TokensOfPassTest, TablesTakeTheirPart) {
  const auto table = [] {
    return std::make_shared<const EditTable>(EditTable{.d_head = 64, .values = std::vector<double>(1'000 * 6'912)});
  };
  Scan first, second;
  first.table = second.table = table();
  EXPECT_EQ(Tokens(16'384, {first, second}), 16'384 - 1'000);
  second.table = table();
  EXPECT_EQ(Tokens(16'384, {first, second}), 16'384 - 4'000);
}

TEST_F(TokensOfPassTest, RoomThatIsLeftIsUsed) {
  const int64_t plenty = 64 * kGiB;
  EXPECT_EQ(TokensOfPass(Gpt2Small(), {Precision::kFloat32, DeviceKind::kCpu, plenty}, 16'384, {{effects_}}), 16'384);
}

TEST_F(TokensOfPassTest, NeverMoreThanAskedForNorFewerThanMakeSense) {
  EXPECT_EQ(Tokens(100, {outputs_, effects_}), 100);
  EXPECT_EQ(Tokens(300, {outputs_, effects_}), 256);
}

}  // namespace
}  // namespace ablate
