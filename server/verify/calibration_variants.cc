#include "server/verify/calibration_variants.h"

#include <algorithm>
#include <iterator>
#include <random>
#include <utility>
#include <vector>

namespace ablate {
namespace {

// Edits of the whole prompt cost its length: a case has so many tokens of them, and a few at least.
constexpr int32_t kWholeTokens = 2048, kFewestWhole = 4;
// Prompts up to this length are edited whole by every variant, longer ones mostly at their last kLate positions.
constexpr int32_t kShort = 8, kLate = 4;
constexpr int32_t kPairs = 48;

enum class Kind { kZero, kFoldedBias, kConstant, kVector, kHalf, kDouble, kResample };
// The few edits of a whole long prompt take the first ones.
constexpr Kind kOtherKinds[] = {Kind::kResample, Kind::kFoldedBias, Kind::kDouble,
                                Kind::kConstant, Kind::kHalf,       Kind::kVector};
constexpr int32_t kNumOtherKinds = std::size(kOtherKinds);

// Entries of the table.
constexpr int32_t kConstantEntry = 0, kVectorEntry = 1, kFirstFoldedEntry = 2;

Edit MakeEdit(Kind kind, Site site, ModelShape shape, int32_t begin) {
  Edit edit{.site = site, .positions = {.begin = begin}};
  switch (kind) {
    case Kind::kZero:
      break;
    case Kind::kFoldedBias:
      edit.entry = kFirstFoldedEntry + site.layer * shape.n_heads + site.head;
      break;
    case Kind::kConstant:
      edit.entry = kConstantEntry;
      break;
    case Kind::kVector:
      edit.entry = kVectorEntry;
      break;
    case Kind::kHalf:
      edit.scale = 0.5F;
      break;
    case Kind::kDouble:
      edit.scale = 2.0F;
      break;
    case Kind::kResample:
      edit.scale = 1.0F;
      edit.from_donor = true;
      break;
  }
  return edit;
}

// At most kMostSites, spread evenly, in layer-head order; `index` moves them on.
std::vector<Site> ChooseSites(ModelShape shape, int32_t index) {
  const int64_t n = int64_t{shape.n_layers} * shape.n_heads;
  const int64_t chosen = std::min<int64_t>(n, kMostSites);
  std::vector<Site> sites;
  for (int64_t i = 0; i < chosen; ++i) {
    const int64_t site = i * n / chosen + index % std::max<int64_t>(1, n / chosen);
    sites.push_back({static_cast<int32_t>(site / shape.n_heads), static_cast<int32_t>(site % shape.n_heads)});
  }
  return sites;
}

}  // namespace

std::shared_ptr<const EditTable> MakeCalibrationTable(const Engine& engine) {
  auto table = std::make_shared<EditTable>();
  table->d_head = engine.Describe().d_head;
  table->values.assign(table->d_head, 0.1);
  std::mt19937_64 random(1);
  for (int32_t i = 0; i < table->d_head; ++i) {
    table->values.push_back(static_cast<double>(random() >> 11) * 0x1p-52 - 1.0);
  }
  const std::vector<double>& folded = engine.FoldedValueBias();
  table->values.insert(table->values.end(), folded.begin(), folded.end());
  return table;
}

void AddCalibrationVariants(ModelShape shape, int32_t index, CalibrationCase& made) {
  const auto n_tokens = static_cast<int32_t>(made.scan.token_ids.size());
  const int32_t late = n_tokens <= kShort ? 0 : n_tokens - kLate;
  const std::vector<Site> sites = ChooseSites(shape, index);
  const auto n_sites = static_cast<int32_t>(sites.size());
  std::vector<Variant>& variants = made.scan.variants;

  for (const Site& site : sites) {
    made.sweep.push_back(static_cast<int32_t>(variants.size()));
    variants.push_back({{MakeEdit(Kind::kZero, site, shape, late)}});
  }
  for (int32_t i = 0; i < n_sites; ++i) {
    variants.push_back({{MakeEdit(kOtherKinds[(i + index) % kNumOtherKinds], sites[i], shape, late)}});
  }
  if (n_tokens > kShort) {
    const int32_t n_whole = std::min(std::max(kWholeTokens / n_tokens, kFewestWhole), n_sites);
    for (int32_t i = 0; i < n_whole; ++i) {
      // Every second one is zero, the commonest.
      const Kind kind = i % 2 == 0 ? Kind::kZero : kOtherKinds[(i / 2 + 2 * index) % kNumOtherKinds];
      const int32_t site = (i * n_sites / n_whole + index) % n_sites;
      variants.push_back({{MakeEdit(kind, sites[site], shape, 0)}});
    }
  }
  for (int32_t layer = 0; layer < shape.n_layers; ++layer) {
    Variant& variant = variants.emplace_back();
    for (int32_t head = 0; head < shape.n_heads; ++head) {
      variant.edits.push_back(MakeEdit(Kind::kZero, {layer, head}, shape, late));
    }
  }
  // Of the sweep's sites, so that the single ones are there.
  std::mt19937_64 random(index + 2);
  const int32_t n_pairs = std::min(kPairs, n_sites * (n_sites - 1) / 2);
  for (int32_t i = 0; i < n_pairs; ++i) {
    auto first = static_cast<int32_t>(random() % n_sites);
    auto second = static_cast<int32_t>(random() % (n_sites - 1));
    if (second >= first) ++second;
    if (second < first) std::swap(first, second);
    made.pairs.push_back(
        {.both = static_cast<int32_t>(variants.size()), .first = made.sweep[first], .second = made.sweep[second]});
    variants.push_back(
        {{MakeEdit(Kind::kZero, sites[first], shape, late), MakeEdit(Kind::kZero, sites[second], shape, late)}});
  }
}

}  // namespace ablate
