// What every implementation of attend is held to, host and device alike: rows over seeded tokens, and float64's answer
// with the tolerance that follows from the operations.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "kernels/attend.h"

namespace ablate::kernels {

// The first row of each prompt is its baseline; others follow with their own tokens.
template <typename T>
struct AttendProblem {
  int32_t n_heads;
  int32_t d_head;
  std::vector<AttendRow> rows;
  int64_t n_tokens = 0;
  std::vector<T> qkv;   // [N, 3, H, Dh]
  std::vector<T> bias;  // [3, H, Dh]

  // What z holds before a run; no result is this.
  static constexpr T kUnwritten = T{-77};

  void AddRow(int32_t begin, int32_t end, int32_t baseline_first) {
    rows.push_back({begin, end, static_cast<int32_t>(n_tokens), baseline_first});
    n_tokens += end - begin;
  }
  // A baseline of n tokens, then rows from each of begins on.
  void AddPrompt(int32_t n, const std::vector<int32_t>& begins) {
    const auto first = static_cast<int32_t>(n_tokens);
    AddRow(0, n, first);
    for (int32_t begin : begins) AddRow(begin, n, first);
  }
  void Fill(uint32_t seed) {
    std::mt19937 random(seed);
    std::normal_distribution<double> normal;
    qkv.resize(static_cast<size_t>(n_tokens * 3 * n_heads * d_head));
    bias.resize(size_t{3} * static_cast<size_t>(n_heads) * static_cast<size_t>(d_head));
    for (T& value : qkv) value = static_cast<T>(normal(random));
    for (T& value : bias) value = static_cast<T>(normal(random));
  }
  T* Part(int64_t token, int64_t which, int64_t head) {
    return qkv.data() + ((token * 3 + which) * n_heads + head) * d_head;
  }
  const T* Part(int64_t token, int64_t which, int64_t head) const {
    return qkv.data() + ((token * 3 + which) * n_heads + head) * d_head;
  }
  int64_t KeyToken(const AttendRow& row, int64_t position) const {
    return position < row.begin ? row.baseline_first + position : row.first_token + position - row.begin;
  }
  // z: [N, H, Dh], made here.
  AttendArgs<T> Args(std::vector<T>& z) const {
    z.assign(static_cast<size_t>(n_tokens * n_heads * d_head), kUnwritten);
    return {qkv.data(), rows.data(), n_heads, d_head, static_cast<T>(1 / std::sqrt(static_cast<double>(d_head))),
            z.data(),   bias.data()};
  }
  double Bias(int64_t which, int64_t head, int64_t d) const {
    return static_cast<double>(bias[static_cast<size_t>((which * n_heads + head) * d_head + d)]);
  }
};

// Rows of one token and of many, alone and in the middle of their baseline's, across the edges of tiles.
template <typename T>
AttendProblem<T> RaggedAttendProblem(int32_t n_heads, int32_t d_head) {
  AttendProblem<T> p{n_heads, d_head, {}, 0, {}, {}};
  p.AddPrompt(6, {0, 0, 5, 1, 3, 5, 5, 5});
  p.AddPrompt(1, {0});
  p.AddPrompt(33, {0, 7, 32, 16});
  p.AddPrompt(2, {});
  p.AddPrompt(150, {149, 100, 149, 129, 149, 149, 149});
  p.Fill(static_cast<uint32_t>(d_head));
  return p;
}

// A baseline that another launch has run, a row of its last two tokens, and rows of the last one alone.
template <typename T>
AttendProblem<T> SinglesProblem(int32_t n_heads, int32_t d_head, int32_t last, int32_t n_singles) {
  AttendProblem<T> p{n_heads, d_head, {}, last + 1, {}, {}};
  p.AddRow(last - 1, last + 1, 0);
  for (int32_t i = 0; i < n_singles; ++i) p.AddRow(last, last + 1, 0);
  p.Fill(static_cast<uint32_t>(last));
  const int64_t size = int64_t{3} * n_heads * d_head;
  for (const AttendRow& row : p.rows) {
    std::copy_n(p.qkv.begin() + row.begin * size, (row.end - row.begin) * size, p.qkv.begin() + row.first_token * size);
  }
  return p;
}

// Which of the singles has other bits than the last token of the row of two; empty: none has.
template <typename T>
std::string FindOtherSingle(const AttendProblem<T>& p, const std::vector<T>& z) {
  const int64_t width = int64_t{p.n_heads} * p.d_head;
  const auto last = z.begin() + (p.rows[0].first_token + 1) * width;
  for (size_t i = 1; i < p.rows.size(); ++i) {
    if (!std::equal(last, last + width, z.begin() + p.rows[i].first_token * width)) return "row " + std::to_string(i);
  }
  return "";
}

// How one query differs from float64's answer beyond what rounding may do; empty: not. Each score errs by up to
// (Dh + 2) u sum |q k| (one rounding where q gets its bias, one for each of Dh multiply-adds, one for the scale), exp's
// argument by u |s - max|, a sum of n weighted values by n u, and the last sum, with v's bias, by u of itself; exp by 2
// units.
template <typename T>
std::string FindAttendQueryError(const AttendProblem<T>& p, const AttendRow& row, int64_t position, int64_t head,
                                 const T* z) {
  constexpr double kUnit = std::numeric_limits<T>::epsilon() / 2;
  const double scale = static_cast<double>(static_cast<T>(1 / std::sqrt(static_cast<double>(p.d_head))));
  const T* query = p.Part(p.KeyToken(row, position), 0, head);
  std::vector<double> score(static_cast<size_t>(position) + 1);
  double magnitude = 0;
  for (int64_t j = 0; j <= position; ++j) {
    const T* key = p.Part(p.KeyToken(row, j), 1, head);
    double sum = 0, absolute = 0;
    for (int32_t d = 0; d < p.d_head; ++d) {
      const double q = static_cast<double>(query[d]) + p.Bias(0, head, d);
      sum += q * (static_cast<double>(key[d]) + p.Bias(1, head, d));
      // Of what an implementation sums: the key's bias is not among it.
      absolute += std::abs(q * static_cast<double>(key[d]));
    }
    score[static_cast<size_t>(j)] = sum * scale;
    magnitude = std::max(magnitude, absolute * scale);
  }
  const double largest = *std::max_element(score.begin(), score.end());
  const double span = largest - *std::min_element(score.begin(), score.end());
  double sum = 0;
  for (double& s : score) sum += s = std::exp(s - largest);
  const double relative =
      kUnit * (2 * (p.d_head + 2) * magnitude + 2 * span + 2 * static_cast<double>(position + 1) + 16);
  for (int32_t d = 0; d < p.d_head; ++d) {
    double expected = 0, absolute = 0;
    for (int64_t j = 0; j <= position; ++j) {
      const double term =
          score[static_cast<size_t>(j)] / sum * static_cast<double>(p.Part(p.KeyToken(row, j), 2, head)[d]);
      expected += term;
      absolute += std::abs(term);
    }
    expected += p.Bias(2, head, d);
    const double tolerance = relative * absolute + kUnit * std::abs(expected);
    // False for a NaN too.
    if (std::abs(static_cast<double>(z[d]) - expected) <= tolerance && std::isfinite(tolerance)) continue;
    return "position " + std::to_string(position) + " of a row from " + std::to_string(row.begin) + ", head " +
           std::to_string(head) + ", element " + std::to_string(d) + " of " + std::to_string(p.d_head) + " is " +
           std::to_string(z[d]) + ", expected " + std::to_string(expected) + " within " + std::to_string(tolerance);
  }
  return "";
}

// Of all queries, the first.
template <typename T>
std::string FindAttendError(const AttendProblem<T>& p, const std::vector<T>& z) {
  for (const AttendRow& row : p.rows) {
    for (int64_t head = 0; head < p.n_heads; ++head) {
      for (int64_t position = row.begin; position < row.end; ++position) {
        const int64_t token = p.KeyToken(row, position);
        std::string error =
            FindAttendQueryError(p, row, position, head, z.data() + (token * p.n_heads + head) * p.d_head);
        if (!error.empty()) return error;
      }
    }
  }
  return "";
}

// A NaN or an infinity at a position reaches that position and those behind it, and nothing else changes by a bit; in
// prompts of these lengths. run(problem) gives z [N, H, Dh].
template <typename Run>
void ExpectNanAndInfReachTheFutureOnly(const std::vector<int32_t>& lengths, Run run) {
  constexpr float kBad[] = {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()};
  for (const int32_t n : lengths) {
    for (const int32_t bad : {0, 3, n - 1}) {
      for (const int64_t part : {1, 2}) {
        for (const float value : kBad) {
          AttendProblem<float> p{2, 12, {}, 0, {}, {}};
          p.AddPrompt(n, {0, n / 2});
          p.Fill(5);
          const std::vector<float> clean = run(p);
          p.Part(n + bad, part, 1)[5] = value;  // the second row's
          const std::vector<float> z = run(p);
          for (int64_t token = 0; token < p.n_tokens; ++token) {
            for (int64_t i = 0; i < 24; ++i) {
              const auto at = static_cast<size_t>(token * 24 + i);
              // A key spoils its whole head, a value its own column.
              const bool reached = token >= n + bad && token < 2 * n && (part == 1 ? i >= 12 : i == 17);
              if (!reached) {
                ASSERT_EQ(z[at], clean[at]) << "token " << token << ", " << i;
              } else if (part == 2 || std::isnan(value)) {
                ASSERT_FALSE(std::isfinite(z[at])) << "token " << token << ", " << i;
              }
            }
          }
        }
      }
    }
  }
}

}  // namespace ablate::kernels
