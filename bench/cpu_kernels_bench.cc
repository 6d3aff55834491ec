// Speed of the CPU kernels on one core, at GPT-2 Small's shapes, for each instruction set that the machine has:
//   cpu_kernels_bench [--benchmark_filter=attend]
// attend counts 4 Dh operations for each pair of query and visible key (softmax not counted), the others the bytes they
// must read and write once.
#include <benchmark/benchmark.h>

#include <cmath>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "kernels/cpu/isa.h"

namespace ablate::kernels::cpu {
namespace {

constexpr int32_t kHeads = 12;
constexpr int32_t kHeadSize = 64;
constexpr int32_t kModel = 768;
constexpr int32_t kMlp = 3072;
constexpr int32_t kVocab = 50257;

std::vector<float> Normal(int64_t n, float mean = 0) {
  std::mt19937 generator(1);
  std::normal_distribution<float> normal(mean, 1);
  std::vector<float> values(static_cast<size_t>(n));
  for (float& value : values) value = normal(generator);
  return values;
}

// n_rows rows of `tokens` positions; behind the first, which is the baseline, each from `begin` on.
void BenchAttend(benchmark::State& state, Isa isa, int32_t n_rows, int32_t tokens, int32_t begin) {
  SetIsa(isa);
  std::vector<AttendRow> rows = {{0, tokens, 0, 0}};
  int32_t n_tokens = tokens;
  double operations = 0;
  for (int32_t i = 1; i < n_rows; ++i, n_tokens += tokens - begin) rows.push_back({begin, tokens, n_tokens, 0});
  for (const AttendRow& row : rows) operations += 2.0 * kHeads * static_cast<double>(AttendCost(row, kHeadSize));
  const std::vector<float> qkv = Normal(int64_t{n_tokens} * 3 * kModel);
  std::vector<float> z(static_cast<size_t>(n_tokens) * kModel);
  const std::vector<float> bias = Normal(int64_t{3} * kModel);
  const AttendArgs<float> args = {qkv.data(), rows.data(), kHeads, kHeadSize, 0.125F, z.data(), bias.data()};
  for (auto _ : state) {
    Attend<float>(args, 0, int64_t{n_rows} * kHeads);
    benchmark::ClobberMemory();
  }
  state.counters["FLOP/s"] = benchmark::Counter(operations, benchmark::Counter::kIsIterationInvariantRate);
  state.counters["tasks/s"] = benchmark::Counter(n_rows * kHeads, benchmark::Counter::kIsIterationInvariantRate);
}

void BenchLayerNorm(benchmark::State& state, Isa isa, int64_t rows) {
  SetIsa(isa);
  std::vector<float> x = Normal(rows * kModel), out(x.size());
  const std::vector<float> gamma = Normal(kModel), beta = Normal(kModel), add(kModel, 1e-20F);
  const LayerNormArgs<float> args = {x.data(), gamma.data(), beta.data(), add.data(), 1e-5F, out.data(), kModel};
  for (auto _ : state) {
    LayerNorm<float>(args, 0, rows);
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(state.iterations() * rows * kModel * 12);
}

void BenchGelu(benchmark::State& state, Isa isa, int64_t rows) {
  SetIsa(isa);
  std::vector<float> x = Normal(rows * kMlp);
  const std::vector<float> bias(kMlp, 0.01F);
  for (auto _ : state) {
    BiasGeluTanh<float>({x.data(), bias.data(), kMlp}, 0, rows);
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(state.iterations() * rows * kMlp * 8);
}

// Variants of one baseline, `apart` from it; time a row.
void BenchReadout(benchmark::State& state, Isa isa, float apart, int32_t top_k) {
  SetIsa(isa);
  constexpr int64_t kRows = 16, kStride = 50304;
  std::vector<float> logits = Normal((kRows + 1) * kStride, -90);
  for (int64_t i = kStride; i < (kRows + 1) * kStride; ++i) {
    const auto at = static_cast<size_t>(i);
    logits[at] = logits[at % kStride] + apart * (logits[at] + 90);
  }
  std::vector<int32_t> ids(kRows * kMaxTopK);
  std::vector<double> logprobs(ids.size());
  std::vector<ReadoutQuery<float>> queries;
  queries.reserve(kRows);
  for (int64_t i = 0; i < kRows; ++i) {
    queries.push_back({logits.data() + (i + 1) * kStride, logits.data(), 7, 8, top_k, ids.data() + i * kMaxTopK,
                       logprobs.data() + i * kMaxTopK});
  }
  std::vector<ReadoutRow> results(kRows);
  for (auto _ : state) {
    Readout<float>(queries.data(), kVocab, results.data(), 0, kRows);
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations() * kRows);
  state.SetBytesProcessed(state.iterations() * kRows * kVocab * 4);
}

void Register(Isa isa) {
  const auto add = [&](const std::string& name, auto function, auto... arguments) {
    benchmark::RegisterBenchmark((name + "/" + Name(isa)).c_str(), [=](benchmark::State& state) {
      function(state, isa, arguments...);
    })->Unit(benchmark::kMicrosecond);
  };
  add("attend/1x1024", BenchAttend, 1, 1024, 0);
  add("attend/1x128", BenchAttend, 1, 128, 0);
  add("attend/1x32", BenchAttend, 1, 32, 0);
  add("attend/145x6", BenchAttend, 145, 6, 0);
  add("attend/145x32", BenchAttend, 145, 32, 0);
  add("attend/16x1024_last_position", BenchAttend, 16, 1024, 1023);
  add("layer_norm/870x768", BenchLayerNorm, int64_t{870});
  add("gelu/870x3072", BenchGelu, int64_t{870});
  add("readout/near", BenchReadout, 0.1F, 0);
  add("readout/far", BenchReadout, 2.0F, 0);
  add("readout/near_top10", BenchReadout, 0.1F, 10);
}

}  // namespace
}  // namespace ablate::kernels::cpu

int main(int argc, char** argv) {
  using ablate::kernels::cpu::Isa;
  for (Isa isa : {Isa::kAvx512, Isa::kAvx2, Isa::kDefault}) {
    if (ablate::kernels::cpu::IsSupported(isa)) ablate::kernels::cpu::Register(isa);
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
