// The rows of logits that every device's readout is tested on, and the CPU's answers, which its own test holds to the
// definitions.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "kernels/cpu/readout.h"
#include "kernels/readout.h"

namespace ablate::kernels {

inline constexpr float kReadoutInf = std::numeric_limits<float>::infinity();
inline constexpr float kReadoutNan = std::numeric_limits<float>::quiet_NaN();

struct ReadoutAnswers {
  std::vector<ReadoutRow> rows;
  std::vector<int32_t> top_k_id;
  std::vector<double> top_k_logprob;
};

inline bool SameAnswers(const ReadoutAnswers& a, const ReadoutAnswers& b) {
  const auto same = [](const auto& x, const auto& y) {
    return x.size() == y.size() && std::memcmp(x.data(), y.data(), x.size() * sizeof(x[0])) == 0;
  };
  return same(a.rows, b.rows) && same(a.top_k_id, b.top_k_id) && same(a.top_k_logprob, b.top_k_logprob);
}

struct ReadoutProblem {
  int32_t n_vocab = 0;
  int64_t stride = 0;
  std::vector<float> logits;  // [B, stride], NaN behind V
  std::vector<ReadoutTask> tasks;
  int32_t n_top_k = 0;

  // `stride`: of the rows; most odd ones are not aligned to packs.
  ReadoutProblem(int32_t vocab, int64_t row_stride) : n_vocab(vocab), stride(row_stride) {}

  int32_t AddRow(std::vector<float> row) {
    row.resize(static_cast<size_t>(stride), kReadoutNan);
    logits.insert(logits.end(), row.begin(), row.end());
    return static_cast<int32_t>(logits.size() / static_cast<size_t>(stride)) - 1;
  }
  void AddTask(int32_t row, int32_t baseline, int32_t target, int32_t contrast, int32_t top_k) {
    tasks.push_back({row, baseline, target, contrast, top_k, n_top_k});
    n_top_k += top_k;
  }
  ReadoutAnswers Room() const {
    const auto n = static_cast<size_t>(n_top_k);
    return {std::vector<ReadoutRow>(tasks.size()), std::vector<int32_t>(n, -2), std::vector<double>(n, -2)};
  }
};

inline std::vector<float> NormalLogits(int32_t n, uint32_t seed, double scale, double mean) {
  std::mt19937 random(seed);
  std::normal_distribution<double> normal(mean, scale);
  std::vector<float> values(static_cast<size_t>(n));
  for (float& value : values) value = static_cast<float>(normal(random));
  return values;
}

inline ReadoutAnswers ReadoutOnCpu(const ReadoutProblem& p) {
  ReadoutAnswers answers = p.Room();
  std::vector<cpu::ReadoutQuery<float>> queries;
  for (const ReadoutTask& task : p.tasks) {
    queries.push_back({p.logits.data() + task.row * p.stride, p.logits.data() + task.baseline_row * p.stride,
                       task.target_id, task.contrast_id, task.top_k, answers.top_k_id.data() + task.top_k_begin,
                       answers.top_k_logprob.data() + task.top_k_begin});
  }
  cpu::Readout(queries.data(), p.n_vocab, answers.rows.data(), 0, static_cast<int64_t>(queries.size()));
  return answers;
}

// Both NaN, the same infinity, or near.
inline void ExpectNear(double actual, double expected, double tolerance, const std::string& what) {
  if (std::isnan(expected) || std::isinf(expected)) {
    EXPECT_TRUE(std::isnan(expected) ? std::isnan(actual) : actual == expected)
        << what << ": " << actual << ", expected " << expected;
  } else {
    EXPECT_NEAR(actual, expected, tolerance) << what;
  }
}

// Each of the two errs by at most 64 units of a sum (tests/kernels/cpu/readout_test.cc).
inline constexpr double kReadoutTolerance = 2 * 64 * std::numeric_limits<float>::epsilon() / 2;

inline void ExpectSameAnswers(const ReadoutAnswers& actual, const ReadoutAnswers& expected) {
  for (size_t i = 0; i < expected.rows.size(); ++i) {
    const std::string task = "task " + std::to_string(i);
    const ReadoutRow &a = actual.rows[i], &e = expected.rows[i];
    ExpectNear(a.target_logit, e.target_logit, 0, task + ", target_logit");
    ExpectNear(a.contrast_logit, e.contrast_logit, 0, task + ", contrast_logit");
    ExpectNear(a.target_logprob, e.target_logprob, kReadoutTolerance, task + ", target_logprob");
    ExpectNear(a.contrast_logprob, e.contrast_logprob, kReadoutTolerance, task + ", contrast_logprob");
    ExpectNear(a.entropy, e.entropy, kReadoutTolerance * (e.entropy + 2), task + ", entropy");
    ExpectNear(a.kl_divergence, e.kl_divergence, 2 * kReadoutTolerance * (e.kl_divergence + 1e-6),
               task + ", kl_divergence");
    EXPECT_EQ(a.target_rank, e.target_rank) << task;
    EXPECT_EQ(a.top1_id, e.top1_id) << task;
  }
  EXPECT_EQ(actual.top_k_id, expected.top_k_id);
  for (size_t i = 0; i < expected.top_k_logprob.size(); ++i) {
    ExpectNear(actual.top_k_logprob[i], expected.top_k_logprob[i], kReadoutTolerance,
               "top_k_logprob " + std::to_string(i));
  }
}

// Rows of every kind, each against itself, a plain row and one without a distribution.
inline ReadoutProblem EveryKindOfRow(int32_t n_vocab, int64_t stride) {
  ReadoutProblem p(n_vocab, stride);
  const std::vector<float> plain = NormalLogits(n_vocab, 1, 3, -100);
  std::vector<float> near = plain, far = NormalLogits(n_vocab, 2, 4, 1), nan = plain, inf = plain, minus = plain,
                     ties = plain;
  const std::vector<float> noise = NormalLogits(n_vocab, 3, 1e-3, 0);
  for (size_t i = 0; i < near.size(); ++i) near[i] += noise[i];
  nan.back() = kReadoutNan;
  inf[0] = kReadoutInf;
  minus[0] = minus.back() = -kReadoutInf;
  for (size_t i = 0; i < ties.size(); ++i) ties[i] = i % 3 == 0 ? 0.0F : i % 3 == 1 ? -0.0F : -1.0F;
  for (const auto& row : {plain, near, far, nan, inf, minus, ties, std::vector<float>(plain.size(), -kReadoutInf)}) {
    p.AddRow(row);
  }
  const int32_t most = std::min(n_vocab, kMaxTopK);
  for (int32_t row = 0; row < 8; ++row) {
    const int32_t target = row * 7 % n_vocab;
    p.AddTask(row, row, target, -1, most);
    p.AddTask(row, 0, -1, n_vocab - 1, 1);
    p.AddTask(row, 3, target, n_vocab / 2, 0);
  }
  return p;
}

}  // namespace ablate::kernels
