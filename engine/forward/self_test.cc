#include "engine/forward/self_test.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <utility>
#include <vector>

namespace ablate {
namespace {

// More tokens than a few tiles of a GEMM, and behind attend's first 128 keys on the CPU, 256 on a GPU, which are summed
// up by themselves.
int32_t LongestOf(const EngineInfo& info) {
  return info.device == "cpu" ? 160 : 300;
}

// KL, entropy and log-prob of each (scan, variant): every one sums over the whole row of logits.
using Bits = std::map<std::pair<int32_t, int32_t>, std::vector<double>>;

absl::StatusOr<Bits> Measure(const LimitedRun& run, const RunLimits& limits, absl::Span<const Scan> scans) {
  Bits bits;
  const auto collect = [&](const ReadoutBlock& block) {
    for (size_t i = 0; i < block.variant.size(); ++i) {
      bits[{block.scan, block.variant[i]}] = {block.kl_divergence[i], block.entropy[i], block.target_logprob[i],
                                              block.target_logit[i]};
    }
    return absl::OkStatus();
  };
  if (auto stats = run(limits, scans, collect); !stats.ok()) return stats.status();
  return bits;
}

bool SameBits(const std::vector<double>& a, const std::vector<double>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(double)) == 0;
}

// Prompts of several lengths, each with heads ablated in the first, middle and last layers; the longest, which costs
// most, in the last one only. On a GPU, where it costs little and products take other ways from some thousand rows on,
// the longest also with many heads of the first layer, so that thousands of tokens enter all others, and with some at
// its last position only.
std::vector<Scan> MakeScans(const EngineInfo& info) {
  std::vector<Scan> scans;
  const int32_t longest = LongestOf(info);
  for (int32_t length : {1, 3, 7, 12, longest}) {
    Scan scan;
    for (int32_t i = 0; i < std::min(length, info.n_positions); ++i) {
      scan.token_ids.push_back((i * 7919 + length * 104729) % info.vocab_size);
    }
    scan.read_positions = {static_cast<int32_t>(scan.token_ids.size()) - 1};
    scan.answers = {{.targets = {length % info.vocab_size}, .contrasts = {}}};
    for (int32_t layer : {0, info.n_layers / 2, info.n_layers - 1}) {
      if (length == longest && layer < info.n_layers - 1) continue;
      scan.variants.push_back({{Edit{.site = {layer, length % info.n_heads}}}});
    }
    constexpr int32_t kManyVariants = 40, kAtTheEnd = 6;
    const bool has_many = length == longest && info.device != "cpu";
    const int32_t last = scan.read_positions[0];
    for (int32_t i = 0; has_many && i < kAtTheEnd; ++i) {
      scan.variants.push_back({{Edit{.site = {0, i % info.n_heads}, .positions = {last, last + 1}}}});
    }
    for (int32_t i = 0; has_many && i < kManyVariants; ++i) {
      // The scale tells those of one head apart.
      scan.variants.push_back({{Edit{.site = {0, i % info.n_heads}, .scale = 0.01F * static_cast<float>(i)}}});
    }
    scans.push_back(std::move(scan));
  }
  return scans;
}

}  // namespace

absl::Status WarmUp(const EngineInfo& info, const LimitedRun& run) {
  constexpr int kRuns = 3;
  const std::vector<Scan> scans = MakeScans(info);
  for (int i = 0; i < kRuns; ++i) {
    const auto bits = Measure(run, {info.max_packed_tokens, info.threads}, scans);
    if (!bits.ok()) return bits.status();
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> IsBatchInvariant(const EngineInfo& info, const LimitedRun& run) {
  const RunLimits usual = {info.max_packed_tokens, info.threads};
  const std::vector<Scan> scans = MakeScans(info);
  const absl::StatusOr<Bits> together = Measure(run, usual, scans);
  if (!together.ok()) return together.status();
  bool same = true;
  // A budget that none of the prompts fits into cuts each as small as it can be.
  for (const RunLimits& other : {RunLimits{usual.max_packed_tokens, 1}, RunLimits{1, usual.threads}}) {
    const absl::StatusOr<Bits> again = Measure(run, other, scans);
    if (!again.ok()) return again.status();
    same &= again->size() == together->size();
    for (const auto& [row, bits] : *together) same = same && again->contains(row) && SameBits(bits, again->at(row));
  }
  // What was cut is each variant alone already; here also without the neighbours of the same prompt.
  constexpr size_t kMostAlone = 4;
  for (size_t i = 0; i < scans.size(); ++i) {
    for (size_t v = 0; v < std::min(scans[i].variants.size(), kMostAlone); ++v) {
      Scan alone = scans[i];
      alone.variants = {scans[i].variants[v]};
      const absl::StatusOr<Bits> single = Measure(run, usual, {alone});
      if (!single.ok()) return single.status();
      same &= SameBits(single->at({0, 0}), together->at({static_cast<int32_t>(i), static_cast<int32_t>(v)}));
      same &= SameBits(single->at({0, -1}), together->at({static_cast<int32_t>(i), -1}));
    }
  }
  return same;
}

}  // namespace ablate
