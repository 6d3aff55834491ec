// Every op of the forward pass, on the CPU and on a GPU (skipped where there is none), against plain float64 formulas.
// Tolerance: twice the error that ATen's own float32 composition has on the same device against float64 (the RMS; for
// single values the largest over all of their kind); copies and edits are exact. `device-check` runs this on GPUs.
#include "engine/forward/ops.h"

#include <ATen/Context.h>
#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <c10/core/StreamGuard.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/forward/device.h"
#include "engine/forward/gemm_bf16.h"
#include "engine/forward/gemm_cuda.h"
#include "engine/forward/logits_readout.h"
#include "engine/forward/tuned_launch.h"
#include "engine/plan/plan.h"
#include "tests/engine/forward/one_layer.h"

namespace ablate {
namespace {

class OpsTest : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    const absl::StatusOr<DeviceChoice> choice = ChooseDevice(GetParam());
    if (!choice.ok()) GTEST_SKIP() << choice.status();
    device_ = choice->device;
    at::globalContext().setAllowTF32CuBLAS(false);
    at::manual_seed(1);
  }

  // Random on the CPU, so that every device gets the same values.
  at::Tensor Random(at::IntArrayRef shape) const { return at::randn(shape).to(device_); }

  c10::Device device_ = c10::kCPU;
};

at::Tensor Exact(const at::Tensor& tensor) {
  return tensor.cpu().to(at::kDouble);
}

double RmsError(const at::Tensor& found, const at::Tensor& exact) {
  EXPECT_EQ(found.sizes(), exact.sizes());
  EXPECT_TRUE(at::isfinite(found).all().item<bool>()) << "NaN or Inf";
  return std::sqrt((Exact(found) - exact).square().mean().item<double>());
}

// `standard` is ATen's float32 result.
void ExpectAsGood(const at::Tensor& found, const at::Tensor& standard, const at::Tensor& exact,
                  const std::string& what) {
  const double allowed = 2 * RmsError(standard, exact);
  ASSERT_GT(allowed, 0) << what << ": the standard is exact, so the test says nothing";
  EXPECT_LE(RmsError(found, exact), allowed) << what;
}

struct GemmShape {
  int64_t m, k, o;
};

TEST_P(OpsTest, Linear) {
  for (const auto& [m, k, o] : {GemmShape{16, 96, 288}, {160, 768, 2304}, {96, 3072, 768}, {16, 64, 2723}}) {
    const at::Tensor x = Random({m, k});
    const at::Tensor weight = Random({k, o});
    const at::Tensor bias = Random({o});
    const std::string what = "linear, K " + std::to_string(k);
    const at::Tensor exact = at::addmm(Exact(bias), Exact(x), Exact(weight));
    const at::Tensor standard = at::addmm(bias, x, weight);

    at::Tensor out = at::empty({m, o}, x.options());
    Linear(x, weight, {}, Epilogue::kNone, out);
    ExpectAsGood(out, at::mm(x, weight), at::mm(Exact(x), Exact(weight)), what);

    Linear(x, weight, bias, Epilogue::kGeluTanh, out);
    ExpectAsGood(out, at::gelu(standard, "tanh"), at::gelu(exact, "tanh"), what + ", gelu_tanh");

    const at::Tensor before = Random({m, o});
    out.copy_(before);
    Linear(x, weight, {}, Epilogue::kAddTo, out);
    ExpectAsGood(out, at::addmm(before, x, weight), at::addmm(Exact(before), Exact(x), Exact(weight)),
                 what + ", add to");
  }
}

// Against the same rounded operands in float64: what is left is what float32 sums lose.
TEST_P(OpsTest, LinearOfRoundedOperands) {
  if (const absl::Status computes = CheckPrecision(Precision::kBf16, device_); !computes.ok()) {
    GTEST_SKIP() << computes.message();
  }
  for (const auto& [m, k, o] : {GemmShape{16, 96, 288}, {160, 768, 2304}, {96, 3072, 768}, {16, 64, 2723}}) {
    at::Tensor x_buffer = Random({m, k});
    const at::Tensor weight = Random({k, o}).to(at::kBFloat16);
    const at::Tensor bias = Random({o});
    const std::string what = "linear of bfloat16, K " + std::to_string(k);
    const at::Tensor expected_x = x_buffer.to(at::kBFloat16);
    const at::Tensor x = AsOperand(x_buffer, OperandOf(weight));
    ASSERT_TRUE(at::equal(x, expected_x));
    const at::Tensor exact = at::addmm(Exact(bias), Exact(x), Exact(weight));
    const at::Tensor standard = at::addmm(bias, x.to(at::kFloat), weight.to(at::kFloat));

    at::Tensor out = at::empty({m, o}, bias.options());
    ExpectAsGood(Linear(x, weight, {}, Epilogue::kNone, out), standard - bias, exact - Exact(bias), what);

    const at::Tensor before = Random({m, o});
    out.copy_(before);
    ExpectAsGood(Linear(x, weight, {}, Epilogue::kAddTo, out), standard - bias + before,
                 exact - Exact(bias) + Exact(before), what + ", add to");

    // The MLP's sizes, which alone need it, are multiples of 8, and cuBLASLt asks for that.
    if (o % 8 != 0) continue;
    const at::Tensor hidden = Linear(x, weight, bias, Epilogue::kGeluTanh, out);
    EXPECT_EQ(hidden.scalar_type(), at::kBFloat16);
    // Half a unit in the last of 8 significant bits is at most 2^-8 of the value.
    const at::Tensor gelu = at::gelu(exact, "tanh");
    EXPECT_LE((Exact(hidden) - gelu).abs().sub(gelu.abs() * 0x1.01p-8).max().item<double>(), 1e-4) << what;
  }
}

TEST_P(OpsTest, LayerNorm) {
  for (const int64_t d : {96, 768, 1600}) {
    // Far from zero mean and unit variance, as GPT-2's residuals are.
    at::Tensor x = Random({48, d}) * 30 + 7;
    const at::Tensor before = x.clone();
    const at::Tensor weight = Random({d});
    const at::Tensor bias = Random({d});
    const at::Tensor add = Random({d});
    at::Tensor out = at::empty_like(x);
    LayerNorm(x, weight, bias, 1e-5, add, Operand::kExact, out);
    ExpectAsGood(out, at::layer_norm(before, {d}, weight, bias, 1e-5),
                 at::layer_norm(Exact(before), {d}, Exact(weight), Exact(bias), 1e-5),
                 "layer_norm, D " + std::to_string(d));
    EXPECT_TRUE(at::equal(x, before + add));
  }
}

// On a GPU each launch runs many times then. Its result and what it reads must be as without.
TEST_P(OpsTest, MeasuringChangesNoBit) {
  constexpr int64_t kRows = 48, kModel = 768;
  const at::Tensor weight = Random({kModel}), bias = Random({kModel}), add = Random({kModel});
  const at::Tensor x = Random({kRows, kModel});
  const auto run = [&] {
    at::Tensor normed_x = x.clone(), normed = at::empty_like(x), rounded = x.clone();
    LayerNorm(normed_x, weight, bias, 1e-5, add, Operand::kExact, normed);
    AsOperand(rounded, Operand::kBf16);
    return std::vector<at::Tensor>{normed_x.cpu(), normed.cpu(), rounded.cpu()};
  };
  // A stream that can be recorded.
  std::optional<c10::Stream> stream;
  if (device_.is_cuda()) stream = GemmStream(device_);
  const c10::OptionalStreamGuard on_stream(stream);
  const std::vector<at::Tensor> plain = run();
  std::vector<at::Tensor> measured;
  {
    const MeasuringScope measuring(std::chrono::seconds(10));
    measured = run();
  }
  for (size_t i = 0; i < plain.size(); ++i) EXPECT_TRUE(at::equal(measured[i], plain[i])) << i;
  if (!device_.is_cuda()) return;
  for (const kernels::TunedKernel kernel : {kernels::TunedKernel::kLayerNorm, kernels::TunedKernel::kRoundRows}) {
    EXPECT_FALSE(BlockShapesOn(device_).WouldMeasure(kernels::KindOf(kernel, kModel, kRows)));
  }
}

TEST_P(OpsTest, EmbedIsTheSumBitForBit) {
  const at::Tensor wte = Random({50, 20}), wpe = Random({9, 20});
  std::vector<int32_t> ids(16), positions(16);
  for (int32_t i = 0; i < 16; ++i) {
    ids[i] = (i * 7) % 50;
    positions[i] = i % 9;
  }
  const auto on_device = [&](const std::vector<int32_t>& values) {
    return at::tensor(values, at::kInt).to(wte.device());
  };
  const at::Tensor ids_there = on_device(ids), positions_there = on_device(positions);
  at::Tensor out = at::zeros({16, 20}, wte.options());
  Embed(wte, wpe, {ids_there.const_data_ptr<int32_t>(), positions_there.const_data_ptr<int32_t>(), 16}, out);
  const auto rows = [](const at::Tensor& table, const at::Tensor& index) {
    return table.cpu().index_select(0, index.cpu().to(at::kLong));
  };
  EXPECT_TRUE(at::equal(out.cpu(), rows(wte, ids_there) + rows(wpe, positions_there)));
}

// Two prompts of unequal length; rows that begin late read their baseline's keys.
std::vector<Row> UnequalRows() {
  return {
      {.prompt = 0, .begin = 0, .end = 9, .first_token = 0, .baseline = 0},
      {.prompt = 0, .begin = 0, .end = 9, .first_token = 9, .baseline = 0},
      {.prompt = 0, .begin = 8, .end = 9, .first_token = 18, .baseline = 0},
      {.prompt = 1, .begin = 0, .end = 70, .first_token = 19, .baseline = 3},
      {.prompt = 1, .begin = 33, .end = 70, .first_token = 89, .baseline = 3},
  };
}

// One row's heads as a formula, in the element type of `qkv`: softmax(q k^T / sqrt(Dh) + causal) v, [n, H, Dh].
at::Tensor PlainAttention(const at::Tensor& qkv, const std::vector<Row>& rows, const Row& row) {
  std::vector<int64_t> keys;
  for (int32_t p = 0; p < row.end; ++p) {
    keys.push_back(p < row.begin ? rows[row.baseline].first_token + p : row.first_token + p - row.begin);
  }
  const at::Tensor own = qkv.index_select(0, at::tensor(keys, at::kLong).to(qkv.device())).permute({1, 2, 0, 3});
  const int64_t t = row.end;  // [3, H, T, Dh]
  const at::Tensor later = at::ones({t, t}, qkv.options()).triu(1).to(at::kBool);
  const at::Tensor scores = at::matmul(own[0], own[1].transpose(1, 2)) / std::sqrt(static_cast<double>(qkv.size(3)));
  const at::Tensor weights = at::softmax(scores.masked_fill(later, -INFINITY), 2);
  return at::matmul(weights, own[2]).transpose(0, 1).slice(0, row.begin, t);
}

// Of all rows by our kernel, of some, and of none (which a GPU alone tells apart); heads of 160 elements are too large
// for it.
TEST_P(OpsTest, Attend) {
  const std::vector<Row> rows = UnequalRows();
  const int64_t n_tokens = 126;
  const OwnAttention all, some = {.longest = 9}, none = {.longest = 0};
  for (const auto& [dh, own] : std::vector<std::pair<int64_t, OwnAttention>>{
           {8, all}, {64, all}, {20, all}, {64, some}, {64, none}, {160, none}}) {
    const at::Tensor qkv = Random({PadRows(n_tokens), 3, 12, dh});
    const at::Tensor bias = Random({3, 12, dh});
    at::Tensor z = at::zeros({PadRows(n_tokens), 12, dh}, qkv.options());
    const OneLayer layer(rows, n_tokens, qkv.device(), 12, dh, own);
    Attend(qkv, bias.flatten(), rows, layer.tables(), Operand::kExact, z);
    std::vector<at::Tensor> standard, exact;  // each row's tokens, in packed order
    for (const Row& row : rows) {
      standard.push_back(PlainAttention(qkv + bias, rows, row));
      exact.push_back(PlainAttention(Exact(qkv) + Exact(bias), rows, row));
    }
    ExpectAsGood(z.slice(0, 0, n_tokens), at::cat(standard), at::cat(exact),
                 "attend, Dh " + std::to_string(dh) + ", ours up to " + std::to_string(own.longest));
    EXPECT_EQ(z.slice(0, n_tokens).abs().max().item<float>(), 0) << "tokens of no row were written";
  }
}

// One of each kind of edit at every site: zero, a multiple, an entry, an entry a position, the donor's value.
std::vector<Variant> EveryKindOfEdit(int32_t n_layers, int32_t n_heads) {
  std::vector<Variant> variants;
  const auto add = [&](Edit edit) { variants.push_back({{edit}}); };
  for (int32_t layer = 0; layer < n_layers; ++layer) {
    for (int32_t head = 0; head < n_heads; ++head) {
      add({.site = {layer, head}});
      add({.site = {layer, head}, .positions = {2, 5}, .scale = -1.5F});
      add({.site = {layer, head}, .entry = head % 3});
      add({.site = {layer, head}, .scale = 0.5F, .entry = 3, .entry_stride = 1});
      add({.site = {layer, head}, .positions = {1, INT32_MAX}, .scale = 1.0F, .from_donor = true});
    }
  }
  return variants;
}

TEST_P(OpsTest, FanOutEqualsTheFormulaBitForBit) {
  constexpr int32_t kHeads = 12, kTokens = 7;
  const std::vector<Variant> variants = EveryKindOfEdit(3, kHeads);
  const std::vector<int32_t> reads = {4, 6};
  const PlanPrompt prompts[] = {
      {.n_tokens = kTokens, .variants = variants, .read_positions = reads, .has_donor = true}};
  const Plan plan = MakePlan(prompts, {.n_layers = 3, .max_packed_tokens = 100'000}).value();
  for (const int64_t dh : {8, 64, 5}) {
    const at::Tensor table = Random({3 + kTokens, dh});
    for (const LayerPlan& layer : plan.chunks.at(0).layers) {
      const int64_t m = static_cast<int64_t>(layer.source_token.size());
      const at::Tensor x = Random({PadRows(layer.n_tokens_in), kHeads * dh});
      const at::Tensor z = Random({PadRows(layer.n_tokens_in), kHeads, dh});
      const at::Tensor bias = Random({kHeads * dh});
      at::Tensor x_rows = at::full({PadRows(m), kHeads * dh}, NAN, x.options());
      at::Tensor z_rows = at::full({PadRows(m), kHeads, dh}, NAN, x.options());
      const OneLayer one(layer, x.device(), kHeads, dh, table.size(0));
      FanOut(x, z, bias, table, one.tables(), x_rows, z_rows);
      const at::Tensor x_out = x_rows.slice(0, 0, m), z_out = z_rows.slice(0, 0, m);

      const at::Tensor source = at::tensor(layer.source_token, at::kInt).to(at::kLong);
      const at::Tensor z_host = z.cpu(), table_host = table.cpu();
      at::Tensor expected = z_host.index_select(0, source);
      for (int64_t t = 0; t < m; ++t) {
        const int32_t position = layer.position[t];
        for (int32_t e = layer.row_edit_begin[layer.row[t]]; e < layer.row_edit_begin[layer.row[t] + 1]; ++e) {
          const RowEdit& edit = layer.row_edits[e];
          if (position < edit.positions.begin || position >= edit.positions.end) continue;
          const int64_t from = edit.source_first < 0 ? layer.source_token[t] : edit.source_first + position;
          at::Tensor value = z_host[from][edit.head] * edit.scale;
          if (edit.entry >= 0) value = value + table_host[edit.entry + edit.entry_stride * position];
          expected[t][edit.head].copy_(value);
        }
      }
      EXPECT_TRUE(at::equal(z_out.cpu(), expected)) << "z, layer " << layer.layer << ", Dh " << dh;
      EXPECT_TRUE(at::equal(x_out.cpu(), x.cpu().index_select(0, source) + bias.cpu())) << "x, layer " << layer.layer;
    }
  }
}

// Of all rows from row 0, in lp's element type. lp [B, V].
at::Tensor Kl(const at::Tensor& lp) {
  const at::Tensor d = lp[0] - lp;
  return (lp[0].exp() * (at::expm1(-d) + d)).sum(1);
}

at::Tensor Entropy(const at::Tensor& lp) {
  return -(lp.exp() * lp).sum(1);
}

TEST_P(OpsTest, Readout) {
  const int64_t vocab_size = 50'257;
  // Rows close to their baseline, row 0: where a careless KL divergence drowns in noise.
  at::Tensor logits = Random({6, 50'304}) * 3;
  logits.slice(0, 1, 4) = logits[0] + 1e-3 * logits.slice(0, 1, 4);
  logits = logits.narrow(1, 0, vocab_size);
  std::vector<LogitsQuery> queries;
  for (int64_t row = 0; row < 6; ++row) {
    queries.push_back({.row = row, .baseline_row = 0, .target_id = 17, .contrast_id = 50'256, .top_k = 5});
  }
  const LogitsReadout readout = MeasureLogits(logits, queries).Take();
  const at::Tensor lp = at::log_softmax(Exact(logits), 1);
  const at::Tensor standard_lp = at::log_softmax(logits, 1);
  const double lp_allowed = 2 * (Exact(standard_lp) - lp).abs().max().item<double>();
  at::Tensor found_kl = at::zeros({6}, at::kDouble);
  at::Tensor found_entropy = at::zeros({6}, at::kDouble);
  for (int64_t i = 0; i < 6; ++i) {
    const kernels::ReadoutRow& row = readout.rows[i];
    SCOPED_TRACE("row " + std::to_string(i));
    EXPECT_EQ(row.target_logit, logits[i][17].item<float>());
    EXPECT_EQ(row.contrast_logit, logits[i][50'256].item<float>());
    EXPECT_NEAR(row.target_logprob, lp[i][17].item<double>(), lp_allowed);
    EXPECT_NEAR(row.contrast_logprob, lp[i][50'256].item<double>(), lp_allowed);
    EXPECT_EQ(row.target_rank, (logits[i] > logits[i][17]).sum().item<int64_t>());
    EXPECT_EQ(row.top1_id, logits[i].argmax().item<int64_t>());
    const auto [top_lp, top_id] = lp[i].topk(5);
    for (int64_t k = 0; k < 5; ++k) {
      EXPECT_EQ(readout.top_k_id[5 * i + k], top_id[k].item<int64_t>());
      EXPECT_NEAR(readout.top_k_logprob[5 * i + k], top_lp[k].item<double>(), lp_allowed);
    }
    found_kl[i] = row.kl_divergence;
    found_entropy[i] = row.entropy;
  }
  // Apart, since the far rows' errors are much larger.
  for (const auto& [begin, end] : {std::pair{1, 4}, {4, 6}}) {
    const auto part = [begin = begin, end = end](const at::Tensor& tensor) { return tensor.slice(0, begin, end); };
    ExpectAsGood(part(found_kl), part(Kl(standard_lp)), part(Kl(lp)), "kl_divergence");
    ExpectAsGood(part(found_entropy), part(Entropy(standard_lp)), part(Entropy(lp)), "entropy");
  }
  EXPECT_EQ(readout.rows[0].kl_divergence, 0);
}

INSTANTIATE_TEST_SUITE_P(Devices, OpsTest, ::testing::Values("cpu", "cuda:0"), [](const auto& device) {
  return std::string(device.param) == "cpu" ? std::string("Cpu") : std::string("Cuda");
});

}  // namespace
}  // namespace ablate
