#include "server/verify/calibration.h"

#include <algorithm>
#include <memory>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/verify/calibration_text.h"
#include "server/verify/calibration_variants.h"

namespace ablate {
namespace {

constexpr int32_t kReads = 4;
constexpr int32_t kTopK = 10;
// With those of calibration_variants.h, three cases of 32 tokens give some thousands of values a column.
constexpr int32_t kShortCases = 3, kLongCases = 2;
// From here on a case costs more than its late variants do.
constexpr int32_t kLong = 128;
// A model with few sites has few variants a case, and gets more cases.
constexpr int32_t kMostCasesFactor = 6;

int32_t CasesOfLength(int32_t n_tokens, int32_t n_sites) {
  const int32_t factor = std::clamp((kMostSites + n_sites - 1) / n_sites, 1, kMostCasesFactor);
  return factor * (n_tokens < kLong ? kShortCases : kLongCases);
}

// `n_tokens` from `begin` on; behind the last one comes the first.
std::vector<int32_t> Cut(const std::vector<int32_t>& ids, size_t begin, int32_t n_tokens) {
  std::vector<int32_t> piece;
  piece.reserve(n_tokens);
  for (int32_t i = 0; i < n_tokens; ++i) piece.push_back(ids[(begin + i) % ids.size()]);
  return piece;
}

}  // namespace

std::vector<int32_t> CalibrationLengths(int32_t n_positions) {
  std::vector<int32_t> lengths;
  for (const int32_t length : {8, 32, 128, 512}) {
    if (length < n_positions) lengths.push_back(length);
  }
  lengths.push_back(n_positions);
  return lengths;
}

absl::StatusOr<std::vector<CalibrationCase>> MakeCalibration(const Engine& engine) {
  const EngineInfo& info = engine.Describe();
  const absl::StatusOr<std::vector<int32_t>> ids = engine.tokenizer().Encode(CalibrationText());
  if (!ids.ok()) return ids.status();
  if (ids->empty()) return absl::InvalidArgumentError("the tokenizer makes no tokens of the calibration text");

  const std::shared_ptr<const EditTable> table = MakeCalibrationTable(engine);
  const int32_t n_sites = info.n_layers * info.n_heads;
  std::vector<CalibrationCase> cases;
  for (const int32_t n_tokens : CalibrationLengths(info.n_positions)) {
    const int32_t n_cases = CasesOfLength(n_tokens, n_sites);
    for (int32_t i = 0; i < n_cases; ++i) {
      CalibrationCase& made = cases.emplace_back();
      // Lengths begin at different places too; no donor is a prompt of its length.
      const size_t begin = ids->size() * i / n_cases + n_tokens;
      made.scan.token_ids = Cut(*ids, begin, n_tokens);
      made.scan.donor_token_ids = Cut(*ids, begin + ids->size() / 4, n_tokens);
      for (int32_t p = std::max(0, n_tokens - kReads); p < n_tokens; ++p) made.scan.read_positions.push_back(p);
      made.scan.table = table;
      made.scan.top_k = std::min(kTopK, info.vocab_size);
      made.scan.effects = true;
      AddCalibrationVariants({info.n_layers, info.n_heads}, i, made);
    }
  }
  return cases;
}

std::vector<Answers> ChooseAnswers(absl::Span<const std::vector<int32_t>> top_ids, int32_t vocab_size, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<Answers> answers;
  for (size_t read = 0; read < top_ids.size(); ++read) {
    const std::vector<int32_t>& top = top_ids[read];
    const auto any = static_cast<int32_t>(random() % vocab_size);
    int32_t target = top.front();
    int32_t contrast = top[std::min<size_t>(1, top.size() - 1)];
    if ((read + seed) % 3 == 1) {
      target = top[random() % top.size()];
      contrast = any;
    } else if ((read + seed) % 3 == 2) {
      target = any;
      contrast = top.front();
    }
    if (contrast == target) contrast = (target + 1) % vocab_size;
    answers.push_back({.targets = {target}, .contrasts = {contrast}});
  }
  return answers;
}

}  // namespace ablate
