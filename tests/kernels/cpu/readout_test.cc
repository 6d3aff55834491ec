#include "kernels/cpu/readout.h"

#include <algorithm>
#include <numeric>

#include "tests/kernels/cpu/kernel_test.h"

namespace ablate::kernels::cpu {
namespace {

// The definitions, in long double.
struct Exact {
  std::vector<long double> logprob;
  long double log_sum_exp = 0, entropy = 0;

  template <typename T>
  explicit Exact(const std::vector<T>& y) {
    const long double largest = *std::max_element(y.begin(), y.end());
    long double sum = 0;
    for (T v : y) sum += std::exp(static_cast<long double>(v) - largest);
    log_sum_exp = largest + std::log(sum);
    for (T v : y) {
      logprob.push_back((static_cast<long double>(v) - largest) - std::log(sum));
      if (logprob.back() > -11000) entropy -= std::exp(logprob.back()) * logprob.back();
    }
  }
};

double ExactKl(const Exact& base, const Exact& variant) {
  long double kl = 0;
  for (size_t i = 0; i < base.logprob.size(); ++i) {
    const long double d = base.logprob[i] - variant.logprob[i];
    const long double p = std::exp(base.logprob[i]);
    const long double q = std::exp(variant.logprob[i]);
    // q - p + p d, which is p f(d) also in the limit p = 0.
    kl += std::abs(d) < 1 ? p * (std::expm1(-d) + d) : q - p + (p > 0 ? p * d : 0);
  }
  return static_cast<double>(kl);
}

template <typename T>
struct Answer {
  ReadoutRow row;
  std::vector<int32_t> top_id;
  std::vector<double> top_logprob;
};

template <typename T>
Answer<T> Ask(const std::vector<T>& y, const std::vector<T>& base, int32_t target, int32_t contrast, int32_t top_k) {
  Answer<T> answer{
      {}, std::vector<int32_t>(static_cast<size_t>(top_k)), std::vector<double>(static_cast<size_t>(top_k))};
  const ReadoutQuery<T> query{
      y.data(), base.data(), target, contrast, top_k, answer.top_id.data(), answer.top_logprob.data()};
  Readout<T>(&query, static_cast<int32_t>(y.size()), &answer.row, 0, 1);
  return answer;
}

// Each exp errs by 2 units and by the rounding of its argument (weighted by p: at most u E[max - y], below u * 32
// here); a vector's 16 additions and the joints add 24. log(S) errs by S's relative error.
template <typename T>
inline constexpr double kSumError = 64 * kUnit<T>;

template <typename T>
void ExpectMatches(int32_t n_vocab, double scale, double mean) {
  const std::vector<T> base = Normal<T>(n_vocab, 31, scale, mean);
  std::vector<T> y = base;
  const std::vector<T> noise = Normal<T>(n_vocab, 32, scale / 3, 0.5);
  for (size_t i = 0; i < y.size(); ++i) y[i] += noise[i];
  const int32_t target = n_vocab / 3, contrast = n_vocab - 1, k = std::min(n_vocab, kMaxTopK);
  const Answer<T> a = Ask<T>(y, base, target, contrast, k);
  const Exact exact(y), exact_base(base);

  EXPECT_EQ(a.row.target_logit, static_cast<double>(y[static_cast<size_t>(target)]));
  EXPECT_EQ(a.row.contrast_logit, static_cast<double>(y[static_cast<size_t>(contrast)]));
  const auto logprob = [&](int32_t id) { return static_cast<double>(exact.logprob[static_cast<size_t>(id)]); };
  EXPECT_NEAR(a.row.target_logprob, logprob(target), kSumError<T>);
  EXPECT_NEAR(a.row.contrast_logprob, logprob(contrast), kSumError<T>);
  EXPECT_NEAR(a.row.entropy, static_cast<double>(exact.entropy),
              kSumError<T> * (static_cast<double>(exact.entropy) + 2));
  const double kl = ExactKl(exact_base, exact);
  EXPECT_TRUE(IsClose(a.row.kl_divergence, kl, 2 * kSumError<T> * (kl + 1e-6))) << a.row.kl_divergence << " " << kl;

  std::vector<int32_t> order(y.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](int32_t l, int32_t r) { return y[static_cast<size_t>(l)] > y[static_cast<size_t>(r)]; });
  EXPECT_EQ(a.row.top1_id, order[0]);
  EXPECT_EQ(a.row.target_rank,
            std::count_if(y.begin(), y.end(), [&](T v) { return v > y[static_cast<size_t>(target)]; }));
  order.resize(static_cast<size_t>(k));
  EXPECT_EQ(a.top_id, order);
  for (size_t i = 0; i < order.size(); ++i) EXPECT_NEAR(a.top_logprob[i], logprob(order[i]), kSumError<T>);
}

class ReadoutTest : public KernelTest {};
ABLATE_FOR_EACH_ISA(ReadoutTest);

TEST_P(ReadoutTest, MatchesTheDefinitions) {
  for (int32_t n_vocab : {1, 2, 7, 64, 300, 2828, 50257}) {
    SCOPED_TRACE(n_vocab);
    ExpectMatches<float>(n_vocab, 3, 0);
    ExpectMatches<float>(n_vocab, 2.5, -100);  // where GPT-2's logits lie
    ExpectMatches<double>(n_vocab, 3, -100);
  }
}

// Rows that differ by 1e-5: the naive sum of p (lp_base - lp_var) in float32 is noise here.
TEST_P(ReadoutTest, TinyKlKeepsItsDigits) {
  for (int32_t n_vocab : {300, 50257}) {
    for (double shift : {0.0, 3.0}) {
      // Logits around 1, so that a change of 1e-5 is many units of float32.
      const std::vector<float> base = Normal<float>(n_vocab, 41, 0.5, 1);
      std::vector<float> y = base;
      const std::vector<float> noise = Normal<float>(n_vocab, 42, 1.4e-5, shift);
      for (size_t i = 0; i < y.size(); ++i) y[i] += noise[i];
      const double kl = ExactKl(Exact(base), Exact(y));
      ASSERT_GT(kl, 2e-11);
      ASSERT_LT(kl, 5e-10);
      // An error e common to all d (the difference of two log-sum-exps near 11, rounded to float32) adds e^2 / 2 + e
      // KL; the sums' own order adds a few units.
      const double common = 16 * kUnit<float>;
      EXPECT_NEAR(Ask<float>(y, base, 0, 1, 0).row.kl_divergence, kl, common * common / 2 + 1e-3 * kl);
    }
  }
}

TEST_P(ReadoutTest, KlOfEqualRowsIsExactlyZero) {
  for (int32_t n_vocab : {1, 300, 2828, 50257}) {
    const std::vector<float> y = Normal<float>(n_vocab, 51, 4, -90);
    const std::vector<float> copy = y;
    EXPECT_EQ(Ask<float>(y, y, 0, 0, 0).row.kl_divergence, 0);
    EXPECT_EQ(Ask<float>(y, copy, 0, 0, 0).row.kl_divergence, 0);
  }
}

TEST_P(ReadoutTest, KlOfFarApartRowsIsFinite) {
  std::vector<float> base(300, 0.0F), y(300, 0.0F);
  base[3] = 200;
  y[250] = 200;
  const double kl = ExactKl(Exact(base), Exact(y));
  EXPECT_TRUE(IsClose(Ask<float>(y, base, 0, 1, 0).row.kl_divergence, kl, 1e-5)) << kl;
}

TEST_P(ReadoutTest, TiesGoToTheSmallerId) {
  std::vector<float> y(1000, 1.0F);
  for (size_t i : {900, 17, 500, 501}) y[i] = 2;
  const Answer<float> a = Ask<float>(y, y, 20, 900, 7);
  EXPECT_EQ(a.row.top1_id, 17);
  EXPECT_EQ(a.row.target_rank, 4);
  EXPECT_EQ(a.top_id, (std::vector<int32_t>{17, 500, 501, 900, 0, 1, 2}));
  EXPECT_EQ(Ask<float>(y, y, 900, 0, 0).row.target_rank, 0);
}

TEST_P(ReadoutTest, RisingLogitsReplaceEveryTopEntry) {
  std::vector<float> y(2828);
  std::iota(y.begin(), y.end(), 0.0F);
  EXPECT_EQ(Ask<float>(y, y, 0, 1, 3).top_id, (std::vector<int32_t>{2827, 2826, 2825}));
}

TEST_P(ReadoutTest, NoTargetGivesNanAndMinusOne) {
  const std::vector<float> y = Normal<float>(300, 61);
  const ReadoutRow row = Ask<float>(y, y, -1, -1, 0).row;
  EXPECT_TRUE(std::isnan(row.target_logit) && std::isnan(row.contrast_logit));
  EXPECT_TRUE(std::isnan(row.target_logprob) && std::isnan(row.contrast_logprob));
  EXPECT_EQ(row.target_rank, -1);
  EXPECT_TRUE(std::isfinite(row.entropy));
}

TEST_P(ReadoutTest, NanAndPlusInfGiveNanAndMinusOne) {
  for (float bad : {kNan<float>, kInf<float>}) {
    for (size_t at : {0, 150, 299}) {
      std::vector<float> y = Normal<float>(300, 71);
      const std::vector<float> clean = y;
      y[at] = bad;
      const Answer<float> a = Ask<float>(y, clean, 5, 6, 4);
      EXPECT_EQ(a.row.target_logit, static_cast<double>(clean[5]));
      EXPECT_TRUE(std::isnan(a.row.target_logprob) && std::isnan(a.row.contrast_logprob) && std::isnan(a.row.entropy) &&
                  std::isnan(a.row.kl_divergence));
      EXPECT_EQ(a.row.target_rank, -1);
      EXPECT_EQ(a.row.top1_id, -1);
      EXPECT_EQ(a.top_id, std::vector<int32_t>(4, -1));
      EXPECT_TRUE(std::isnan(a.top_logprob[0]));
      // A spoilt baseline spoils the KL alone.
      const Answer<float> variant = Ask<float>(clean, y, 5, 6, 4);
      EXPECT_TRUE(std::isnan(variant.row.kl_divergence));
      EXPECT_TRUE(std::isfinite(variant.row.target_logprob));
    }
  }
}

TEST_P(ReadoutTest, MinusInfIsAnImpossibleToken) {
  std::vector<float> y = Normal<float>(300, 81);
  const std::vector<float> clean = y;
  y[7] = y[299] = -kInf<float>;
  const ReadoutRow row = Ask<float>(y, y, 7, 8, 0).row;
  EXPECT_EQ(row.target_logprob, -kInf<double>);
  EXPECT_EQ(row.target_rank, 298);
  EXPECT_TRUE(IsClose(row.entropy, static_cast<double>(Exact(y).entropy), 10 * kSumError<float>));
  // Impossible in both: adds nothing. In the variant alone: infinite. In the baseline alone: finite.
  const std::vector<float> copy = y;
  EXPECT_EQ(Ask<float>(y, copy, 0, 1, 0).row.kl_divergence, 0);
  EXPECT_EQ(Ask<float>(y, clean, 0, 1, 0).row.kl_divergence, kInf<double>);
  EXPECT_TRUE(IsClose(Ask<float>(clean, y, 0, 1, 0).row.kl_divergence, ExactKl(Exact(y), Exact(clean)), 1e-5));
  EXPECT_EQ(Ask<float>(std::vector<float>(300, -kInf<float>), clean, 0, 1, 0).row.top1_id, -1);
}

TEST_P(ReadoutTest, RangesAndNeighboursDoNotChangeBits) {
  const int32_t n_vocab = 2829;
  std::vector<std::vector<float>> logits;
  for (uint32_t i = 0; i < 8; ++i) logits.push_back(Normal<float>(n_vocab, 90 + i, 3, -50));
  std::vector<ReadoutQuery<float>> queries;
  std::vector<std::vector<int32_t>> ids(8, std::vector<int32_t>(10));
  std::vector<std::vector<double>> logprobs(8, std::vector<double>(10));
  for (size_t i = 0; i < 8; ++i) {
    // Two prompts' baselines, 0 and 4, in alternation.
    queries.push_back({logits[i].data(), logits[i % 2 * 4].data(), 3, 4, 10, ids[i].data(), logprobs[i].data()});
  }
  std::vector<ReadoutRow> whole(8), split(8);
  Readout<float>(queries.data(), n_vocab, whole.data(), 0, 8);
  const auto whole_logprobs = logprobs;
  for (int64_t row : {5, 0, 7, 2, 1, 6, 3, 4}) Readout<float>(queries.data(), n_vocab, split.data(), row, row + 1);
  EXPECT_EQ(whole_logprobs, logprobs);
  for (size_t i = 0; i < 8; ++i) {
    EXPECT_EQ(whole[i].kl_divergence, split[i].kl_divergence);
    EXPECT_EQ(whole[i].target_logprob, split[i].target_logprob);
    EXPECT_EQ(whole[i].entropy, split[i].entropy);
    EXPECT_EQ(whole[i].target_rank, split[i].target_rank);
  }
}

}  // namespace
}  // namespace ablate::kernels::cpu
