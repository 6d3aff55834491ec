// CublasLt over a cuBLASLt that multiplies on the host: what it is asked for, which algorithms are taken, and that the
// matrices that it is told of are ours.
#include "kernels/gemm_cublaslt.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "engine/forward/kept_tuning.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "kernels/choose_fastest.h"
#include "tests/engine/files/temp_dir.h"
#include "tests/kernels/fake_cublaslt.h"

namespace ablate::kernels {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr auto kNever = std::chrono::steady_clock::time_point::max();

struct Problem {
  Problem(int64_t m, int64_t k, int64_t n, int64_t gap, bool transposed, GemmEpilogue epilogue)
      : x(Normal(m * (k + gap), 1)),
        weight(Normal((transposed ? n : k) * ((transposed ? k : n) + gap), 2)),
        bias(Normal(n, 3)),
        out(Normal(m * (n + gap), 4)),
        args{.x = x.data(),
             .weight = weight.data(),
             .bias = epilogue == GemmEpilogue::kGeluTanh ? bias.data() : nullptr,
             .out = out.data(),
             .m = m,
             .k = k,
             .n = n,
             .x_stride = k + gap,
             .weight_stride = (transposed ? k : n) + gap,
             .out_stride = n + gap,
             .weight_is_transposed = transposed,
             .epilogue = epilogue} {}

  static std::vector<float> Normal(int64_t size, uint32_t seed) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    std::vector<float> values(static_cast<size_t>(size));
    for (float& value : values) value = normal(random);
    return values;
  }

  // What `out` is to become.
  std::vector<float> Expected() const {
    std::vector<float> expected = out;
    for (int64_t i = 0; i < args.m; ++i) {
      for (int64_t j = 0; j < args.n; ++j) {
        const auto at = static_cast<size_t>(i * args.out_stride + j);
        double sum = args.epilogue == GemmEpilogue::kAddTo ? static_cast<double>(out[at]) : 0;
        for (int64_t l = 0; l < args.k; ++l) {
          const int64_t w = args.weight_is_transposed ? j * args.weight_stride + l : l * args.weight_stride + j;
          sum += static_cast<double>(x[static_cast<size_t>(i * args.x_stride + l)]) *
                 static_cast<double>(weight[static_cast<size_t>(w)]);
        }
        if (args.epilogue == GemmEpilogue::kGeluTanh) {
          const double y = sum + static_cast<double>(bias[static_cast<size_t>(j)]);
          sum = 0.5 * y * (1 + std::tanh(std::sqrt(2 / M_PI) * (y + 0.044715 * y * y * y)));
        }
        expected[at] = static_cast<float>(sum);
      }
    }
    return expected;
  }

  std::vector<float> x, weight, bias, out;
  GemmArgs args;
};

Problem Plain(int64_t m) {
  return {m, 6, 4, 0, false, GemmEpilogue::kNone};
}

// Readings of each way, one after the other; nothing: it fails.
using Readings = std::vector<std::vector<std::optional<double>>>;

std::optional<size_t> Chosen(const Readings& readings) {
  std::vector<size_t> next(readings.size());
  const auto time = [&](size_t way, int /*runs*/) {
    return readings[way].at(std::min(next[way]++, readings[way].size() - 1));
  };
  const auto fastest = ChooseFastest(readings.size(), time, [] { return false; });
  return fastest.has_value() ? std::optional(fastest->index) : std::nullopt;
}

TEST(ChooseFastestTest, TheBestOfLaterReadingsDecides) {
  // A first reading that was disturbed, and one that was lucky.
  EXPECT_EQ(Chosen({{10, 10}, {9, 12, 7, 12}, {12, 6, 8, 8}}), 2U);
  EXPECT_EQ(Chosen({{10, 10}, {5, 11}}), 0U);
}

TEST(ChooseFastestTest, TheUsualWayStaysInTheRaceHoweverSlowItsFirstReading) {
  EXPECT_EQ(Chosen({{50, 5}, {10, 10}, {11, 11}, {12, 12}, {13, 13}}), 0U);
}

TEST(ChooseFastestTest, WaysThatFailAreOut) {
  EXPECT_EQ(Chosen({{std::nullopt}, {10, 10}}), 1U);
  EXPECT_EQ(Chosen({{10, std::nullopt, std::nullopt, std::nullopt}, {20, 20}}), 1U);
  EXPECT_EQ(Chosen({{std::nullopt}, {std::nullopt}}), std::nullopt);
  EXPECT_EQ(Chosen({}), std::nullopt);
}

TEST(ChooseFastestTest, GivesUpInTheMiddle) {
  for (int late_at = 0; late_at < 8; ++late_at) {
    int asked = 0;
    const auto fastest =
        ChooseFastest(2, [](size_t, int) { return std::optional(1.0); }, [&] { return asked++ == late_at; });
    EXPECT_FALSE(fastest.has_value()) << late_at;
  }
}

class GemmCublasLtTest : public ::testing::Test {
 protected:
  void SetUp() override { Fake() = {}; }

  static std::vector<uint64_t> Launched() {
    std::vector<uint64_t> launched;
    for (const auto& launch : Fake().launched) launched.push_back(launch.algorithm);
    return launched;
  }

  CublasLt cublas_lt_{nullptr, 1 << 20};
};

TEST_F(GemmCublasLtTest, DescribesRowMajorMatricesToAColumnMajorLibrary) {
  for (const bool transposed : {false, true}) {
    for (const int64_t gap : {0, 3}) {
      for (const auto epilogue : {GemmEpilogue::kNone, GemmEpilogue::kGeluTanh, GemmEpilogue::kAddTo}) {
        Problem problem(5, 7, 3, gap, transposed, epilogue);
        const std::vector<float> expected = problem.Expected();
        ASSERT_EQ(cublas_lt_.Run(problem.args, nullptr), "");
        for (size_t i = 0; i < expected.size(); ++i) {
          ASSERT_NEAR(problem.out[i], expected[i], 1e-5F) << i << ", " << transposed << gap;
        }
      }
    }
  }
}

TEST_F(GemmCublasLtTest, AsksOnceForAShape) {
  Problem five = Plain(5), six = Plain(6);
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(cublas_lt_.Run(five.args, nullptr), "");
    ASSERT_EQ(cublas_lt_.Run(six.args, nullptr), "");
  }
  ASSERT_EQ(Fake().asked.size(), 2U);
  EXPECT_EQ(Fake().asked[0].m, 5U);
  EXPECT_EQ(Fake().asked[0].count, 1);
  EXPECT_EQ(Fake().asked[0].workspace_bytes, size_t{1} << 20U);
  EXPECT_EQ(Fake().asked[0].schemes, static_cast<uint32_t>(CUBLASLT_REDUCTION_SCHEME_MASK));
  EXPECT_EQ(Fake().asked[0].x_alignment, ShapeOf(five.args).x_alignment);
  EXPECT_TRUE(cublas_lt_.measured().empty());
}

TEST_F(GemmCublasLtTest, TakesTheFastestThatItMeasured) {
  Fake().microseconds = {10, 30, 6, 7};
  Problem problem = Plain(5);
  const std::vector<float> expected = problem.Expected();
  ASSERT_EQ(cublas_lt_.Measure(problem.args, nullptr, nullptr, kNever), "");
  ASSERT_EQ(cublas_lt_.measured().size(), 1U);
  EXPECT_EQ(cublas_lt_.measured()[0].shape, ShapeOf(problem.args));
  EXPECT_EQ(cublas_lt_.measured()[0].algorithm[0], 2U);
  EXPECT_EQ(cublas_lt_.measured()[0].microseconds, 6);
  EXPECT_EQ(cublas_lt_.n_measured(), 1);
  // All are seen once, and three of them three times more.
  EXPECT_EQ(Fake().n_measurements, 4 + 3 * 3);
  Fake().launched.clear();
  ASSERT_EQ(cublas_lt_.Run(problem.args, nullptr), "");
  EXPECT_THAT(Launched(), ElementsAre(2));
  for (size_t i = 0; i < expected.size(); ++i) ASSERT_NEAR(problem.out[i], expected[i], 1e-5F);

  const int before = Fake().n_measurements;
  EXPECT_FALSE(cublas_lt_.WouldMeasure(problem.args));
  EXPECT_TRUE(cublas_lt_.WouldMeasure(Plain(6).args));
  ASSERT_EQ(cublas_lt_.Measure(problem.args, nullptr, nullptr, kNever), "");
  EXPECT_EQ(Fake().n_measurements, before) << "measured twice";
}

TEST_F(GemmCublasLtTest, NoiseLeavesTheLibrarysChoice) {
  Fake().microseconds = {10, 9.9};
  Problem problem = Plain(5);
  ASSERT_EQ(cublas_lt_.Measure(problem.args, nullptr, nullptr, kNever), "");
  EXPECT_EQ(cublas_lt_.measured()[0].algorithm[0], 0U);
}

TEST_F(GemmCublasLtTest, WhatIsAddedToStaysWhileItIsMeasured) {
  Fake().microseconds = {10, 5};
  Problem problem(5, 6, 4, 2, false, GemmEpilogue::kAddTo);
  const std::vector<float> before = problem.out, expected = problem.Expected();
  std::vector<float> scratch(problem.out.size());
  ASSERT_EQ(cublas_lt_.Measure(problem.args, scratch.data(), nullptr, kNever), "");
  EXPECT_EQ(problem.out, before);
  ASSERT_EQ(cublas_lt_.Run(problem.args, nullptr), "");
  for (size_t i = 0; i < expected.size(); ++i) ASSERT_NEAR(problem.out[i], expected[i], 1e-5F);
}

TEST_F(GemmCublasLtTest, MeasuringEndsAtItsDeadlineAndKeepsNothingByHalf) {
  Fake().microseconds = {10, 5};
  Problem problem = Plain(5);
  ASSERT_EQ(cublas_lt_.Measure(problem.args, nullptr, nullptr, std::chrono::steady_clock::now()), "");
  EXPECT_TRUE(cublas_lt_.measured().empty());
  EXPECT_EQ(Fake().n_measurements, 0);
  ASSERT_EQ(cublas_lt_.Run(problem.args, nullptr), "");
  EXPECT_THAT(Launched(), ElementsAre(0));
}

TEST_F(GemmCublasLtTest, AnAlgorithmThatFailsIsNone) {
  Fake().microseconds = {10, 5, 7};
  Fake().failing = {1};
  Problem problem = Plain(5);
  ASSERT_EQ(cublas_lt_.Measure(problem.args, nullptr, nullptr, kNever), "");
  EXPECT_EQ(cublas_lt_.measured()[0].algorithm[0], 2U);
  Fake().failing = {0, 1, 2};
  Problem other = Plain(6);
  ASSERT_EQ(cublas_lt_.Measure(other.args, nullptr, nullptr, kNever), "");
  EXPECT_EQ(cublas_lt_.measured().size(), 1U);
  EXPECT_EQ(cublas_lt_.Run(other.args, nullptr), "gemm: cublasLtMatmul: CUBLAS_STATUS_EXECUTION_FAILED");
}

TEST_F(GemmCublasLtTest, TakesWhatWasMeasuredElsewhere) {
  Fake().microseconds = {10, 5};
  Problem problem = Plain(5);
  cublas_lt_.Adopt({ShapeOf(problem.args), {1, 5}, 5});
  ASSERT_EQ(cublas_lt_.Measure(problem.args, nullptr, nullptr, kNever), "");
  EXPECT_EQ(Fake().n_measurements, 0);
  ASSERT_EQ(cublas_lt_.Run(problem.args, nullptr), "");
  EXPECT_THAT(Launched(), ElementsAre(1));
  EXPECT_EQ(cublas_lt_.n_measured(), 0);
  EXPECT_EQ(cublas_lt_.measured().size(), 1U);
  // What was measured here stays.
  cublas_lt_.Adopt({ShapeOf(problem.args), {0, 5}, 1});
  EXPECT_EQ(cublas_lt_.measured()[0].algorithm[0], 1U);
}

TEST_F(GemmCublasLtTest, ForgetsWhatTheLibraryWillNotHave) {
  Fake().microseconds = {10, 5, 4};
  Fake().refused = {1};
  Fake().failing = {2};
  Problem five = Plain(5), six = Plain(6);
  cublas_lt_.Adopt({ShapeOf(five.args), {1, 5}, 5});  // its check says no
  cublas_lt_.Adopt({ShapeOf(six.args), {2, 6}, 5});   // its launch says no
  for (int i = 0; i < 2; ++i) {
    ASSERT_EQ(cublas_lt_.Run(five.args, nullptr), "");
    ASSERT_EQ(cublas_lt_.Run(six.args, nullptr), "");
  }
  EXPECT_THAT(Launched(), ElementsAre(0, 0, 0, 0));
  EXPECT_TRUE(cublas_lt_.measured().empty());
}

TEST_F(GemmCublasLtTest, BatchInvariantProductsOfAllSizesTakeOneAlgorithm) {
  Fake().microseconds = {10, 5};
  for (const int64_t m : {1, 5, 600}) {
    Problem problem = Plain(m);
    problem.args.batch_invariant = true;
    // Never measured: what is fastest for one size is not for all.
    ASSERT_EQ(cublas_lt_.Measure(problem.args, nullptr, nullptr, kNever), "");
    ASSERT_EQ(cublas_lt_.Run(problem.args, nullptr), "");
  }
  EXPECT_EQ(Fake().n_measurements, 0);
  ASSERT_EQ(Fake().asked.size(), 1U);
  EXPECT_EQ(Fake().asked[0].m, static_cast<uint64_t>(CublasLt::kInvariantRows));
  EXPECT_EQ(Fake().asked[0].schemes, static_cast<uint32_t>(CUBLASLT_REDUCTION_SCHEME_NONE));
  for (const auto& launch : Fake().launched) {
    EXPECT_EQ(launch.found_for, static_cast<uint64_t>(CublasLt::kInvariantRows));
  }
  EXPECT_EQ(Fake().launched.size(), 3U);
}

class KeptTuningTest : public GemmCublasLtTest {
 protected:
  TuningFile File() const { return {folder_.path(), {"GPU", 1, 2}}; }
  std::unique_ptr<KeptTuning> Keeper(CublasLt& cublas_lt) {
    return std::make_unique<KeptTuning>(cublas_lt, block_shapes_, File(), [this](const std::string& warning) {
      const std::lock_guard lock(mutex_);
      warnings_.push_back(warning);
    });
  }
  void Measure(CublasLt& cublas_lt, int64_t m) {
    Problem problem = Plain(m);
    ASSERT_EQ(cublas_lt.Measure(problem.args, nullptr, nullptr, kNever), "");
  }

  ablate::testing::TempDir folder_;
  BlockShapes block_shapes_;
  std::mutex mutex_;
  std::vector<std::string> warnings_;
};

TEST_F(KeptTuningTest, AnotherProcessMeasuresNothingAnew) {
  Fake().microseconds = {10, 5};
  Keeper(cublas_lt_)->Keep();
  EXPECT_TRUE(File().Read()->gemms.empty()) << "nothing was measured";
  {
    const auto keeper = Keeper(cublas_lt_);
    Measure(cublas_lt_, 5);
    keeper->Keep();
  }
  ASSERT_EQ(File().Read()->gemms.size(), 1U);
  CublasLt other(nullptr, 1 << 20);
  const auto keeper = Keeper(other);
  ASSERT_EQ(other.measured().size(), 1U);
  EXPECT_EQ(other.measured()[0].algorithm[0], 1U);
  EXPECT_EQ(other.n_measured(), 0);
  EXPECT_TRUE(warnings_.empty());
}

// However many are measured while the first is being written.
TEST_F(KeptTuningTest, TheLastAreWrittenAtTheEnd) {
  Fake().microseconds = {10, 5};
  {
    const auto keeper = Keeper(cublas_lt_);
    for (int64_t m = 1; m <= 20; ++m) {
      Measure(cublas_lt_, m);
      keeper->Keep();
    }
  }
  EXPECT_EQ(File().Read()->gemms.size(), 20U);
}

TEST_F(KeptTuningTest, BlocksAreKeptToo) {
  const LaunchKind kind = KindOf(TunedKernel::kFanOut, 768, 10);
  {
    const auto keeper = Keeper(cublas_lt_);
    block_shapes_.Measure(kind, [](BlockShape shape, int) { return std::optional(1.0 * shape.warps); }, kNever);
    keeper->Keep();
  }
  block_shapes_ = {};
  const auto keeper = Keeper(cublas_lt_);
  EXPECT_EQ(block_shapes_.Of(kind).warps, 2);
  EXPECT_EQ(block_shapes_.n_measured(), 0);
}

TEST_F(KeptTuningTest, ADamagedFileIsToldOnceAndReplaced) {
  folder_.Write(std::filesystem::path(File().path()).filename().string(), "{");
  Fake().microseconds = {10, 5};
  {
    const auto keeper = Keeper(cublas_lt_);
    Measure(cublas_lt_, 5);
    keeper->Keep();
  }
  EXPECT_THAT(warnings_, ElementsAre(HasSubstr("is measured anew: " + File().path())));
  EXPECT_EQ(File().Read()->gemms.size(), 1U);
}

TEST_F(KeptTuningTest, WhatCannotBeWrittenIsToldOnce) {
  const TuningFile file("/proc/nowhere", {"GPU", 1, 2});
  Fake().microseconds = {10, 5};
  {
    KeptTuning keeper(cublas_lt_, block_shapes_, file, [this](const std::string& warning) {
      const std::lock_guard lock(mutex_);
      warnings_.push_back(warning);
    });
    for (int64_t m = 1; m < 50; ++m) {
      Measure(cublas_lt_, m);
      keeper.Keep();
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
  EXPECT_THAT(warnings_, ElementsAre(HasSubstr("is not kept: ")));
}

TEST_F(GemmCublasLtTest, TellsThatAnEpilogueIsNotFused) {
  Fake().fuses_gelu = false;
  Problem problem(5, 6, 4, 0, false, GemmEpilogue::kGeluTanh);
  bool has_algorithm = true;
  ASSERT_EQ(cublas_lt_.Measure(problem.args, nullptr, nullptr, kNever), "");
  ASSERT_EQ(cublas_lt_.Run(problem.args, nullptr, &has_algorithm), "");
  EXPECT_FALSE(has_algorithm);
  EXPECT_TRUE(Fake().launched.empty());
  EXPECT_THAT(cublas_lt_.Run(problem.args, nullptr), HasSubstr("no algorithm for [5, 6] by [6, 4]"));
}

}  // namespace
}  // namespace ablate::kernels
