#include "server/verify_command.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/verify/floor_file.h"
#include "tests/server/verify/noisy_engine.h"

namespace ablate {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

double NoiseOf(Precision precision) {
  if (precision == Precision::kFloat64) return 0;
  return precision == Precision::kFloat32 ? 0x1p-10 : 0x1p-4;
}

// Its device computes in float32, bf16 and float64; the model `broken` cannot be loaded.
absl::StatusOr<std::unique_ptr<Engine>> Load(const EngineOptions& options) {
  if (options.model_dir == "broken") return absl::NotFoundError("broken/config.json: no such file");
  const double noise = NoiseOf(options.precision);
  auto engine = std::make_unique<NoisyEngine>(NoisyOptions{.precision = options.precision,
                                                           .noise = [noise](const NoisyCell&) { return noise; },
                                                           .copies = {},
                                                           .status = {}});
  engine->info().device = options.device == "auto" ? "cpu" : options.device;
  engine->info().precisions = {Precision::kFloat32, Precision::kBf16, Precision::kFloat64};
  return engine;
}

struct Result {
  int code = 0;
  std::string out, err;
};

class VerifyCommandTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(testing::TempDir()) / ("verify-" + std::to_string(getpid()));
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  static Result Run(std::vector<std::string> arguments, const EngineLoader& load = Load) {
    arguments.insert(arguments.begin(), "verify");
    std::vector<const char*> argv;
    for (const std::string& argument : arguments) argv.push_back(argument.c_str());
    std::ostringstream out, err;
    Result result;
    result.code = RunVerify(static_cast<int>(argv.size()), argv.data(), load, out, err);
    result.out = out.str();
    result.err = err.str();
    return result;
  }
  std::string Model() const { return "--model=" + folder_.string(); }
  static FloorKey Key(Precision precision = Precision::kFloat32) {
    return MakeFloorKey(NoisyEngine({.precision = precision, .noise = {}, .copies = {}, .status = {}}).Describe(),
                        ABLATE_VERSION);
  }

  fs::path folder_;
};

TEST_F(VerifyCommandTest, PrintsATableOfEachPrecisionAndKeepsTheFloors) {
  const Result result = Run({Model()});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, ContainsRegex("delta_logit_diff +9.8e-04 +9.8e-04 +6.2e-02 +6.2e-02"));
  EXPECT_THAT(result.err, AllOf(HasSubstr("float64: prompt 1 of "), HasSubstr("bf16: prompt 1 of "),
                                HasSubstr("numeric_floor.json")));
  for (const Precision precision : {Precision::kFloat32, Precision::kBf16}) {
    const auto floors = ReadFloors(DefaultFloorFile(folder_.string()), Key(precision));
    ASSERT_TRUE(floors.ok()) << floors.status();
    EXPECT_EQ(FloorOf(*floors, "entropy", 8), NoiseOf(precision));
  }
}

TEST_F(VerifyCommandTest, OnePrecisionHasItsFloorsPrinted) {
  const Result result = Run({Model(), "--precision", "bf16,bf16"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, AllOf(HasSubstr("8 tok"), HasSubstr("6.2e-02"), Not(HasSubstr("9.8e-04"))));
  EXPECT_FALSE(ReadFloors(DefaultFloorFile(folder_.string()), Key()).ok()) << "of float32";
}

TEST_F(VerifyCommandTest, TheReferenceIsFloat64OnTheCpuAndTheDeviceIsKept) {
  std::vector<EngineOptions> loaded;
  const Result result =
      Run({Model(), "--device=cuda:1", "--threads=3", "--no-cache"}, [&](const EngineOptions& options) {
        loaded.push_back(options);
        return Load(options);
      });
  EXPECT_EQ(result.code, 0) << result.err;
  ASSERT_EQ(loaded.size(), 3U);
  EXPECT_EQ(loaded[0].precision, Precision::kFloat64);
  EXPECT_EQ(loaded[1].precision, Precision::kFloat32);
  EXPECT_EQ(loaded[2].precision, Precision::kBf16);
  for (size_t i = 0; i < loaded.size(); ++i) {
    EXPECT_EQ(loaded[i].threads, 3);
    EXPECT_EQ(loaded[i].device, i == 0 ? "cpu" : "cuda:1");
  }
}

TEST_F(VerifyCommandTest, APrecisionThatTheDeviceLacksIsSaidBeforeAnythingRuns) {
  const Result result = Run({Model(), "--precision=float32,tf32"});
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.err, AllOf(HasSubstr("--precision: got tf32"), HasSubstr("computes in float32, bf16"),
                                Not(HasSubstr("prompt 1"))));
  EXPECT_TRUE(fs::is_empty(folder_));
}

TEST_F(VerifyCommandTest, WhatWasMeasuredBeforeAFailureIsPrintedAndKept) {
  const Result result = Run({Model()}, [](const EngineOptions& options) -> absl::StatusOr<std::unique_ptr<Engine>> {
    if (options.precision == Precision::kBf16) return absl::ResourceExhaustedError("out of memory");
    return Load(options);
  });
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.out, AllOf(HasSubstr("in float32"), HasSubstr("9.8e-04")));
  EXPECT_THAT(result.err, HasSubstr("ablated verify: out of memory\n"));
  EXPECT_TRUE(ReadFloors(DefaultFloorFile(folder_.string()), Key()).ok());
}

TEST_F(VerifyCommandTest, JsonAloneStandsOnStandardOutput) {
  const Result result = Run({Model(), "--format", "json", "--no-cache"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, AllOf(StartsWith("{"), HasSubstr("\"errors\"")));
  EXPECT_TRUE(fs::is_empty(folder_)) << "--no-cache keeps nothing";
}

TEST_F(VerifyCommandTest, CacheGoesElsewhere) {
  const std::string path = (folder_ / "other.json").string();
  EXPECT_EQ(Run({"--model=nowhere", "--cache", path}).code, 0);
  EXPECT_TRUE(ReadFloors(path, Key()).ok());
}

TEST_F(VerifyCommandTest, AFolderThatCannotBeWrittenIsSaidAndPassedOver) {
  const Result result = Run({"--model=" + (folder_ / "missing").string()});
  EXPECT_EQ(result.code, 0);
  EXPECT_THAT(result.out, HasSubstr("delta_logit_diff"));
  EXPECT_THAT(result.err, AllOf(HasSubstr("not kept"), HasSubstr("--cache FILE")));
}

TEST_F(VerifyCommandTest, ACacheThatWasNamedMustWork) {
  const Result result = Run({Model(), "--cache", (folder_ / "missing" / "floor.json").string()});
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.err, HasSubstr("floor.json"));
}

TEST_F(VerifyCommandTest, AFileOfSomebodyElseIsLeftAlone) {
  const std::string path = DefaultFloorFile(folder_.string());
  std::ofstream(path) << "{\"model_type\": \"gpt2\"}";
  const Result beside = Run({Model()});
  EXPECT_EQ(beside.code, 0);
  EXPECT_THAT(beside.err, HasSubstr("not kept"));
  const Result named = Run({Model(), "--cache", path});
  EXPECT_EQ(named.code, 1);
  EXPECT_THAT(named.out, IsEmpty()) << "before anything is measured";
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  EXPECT_EQ(text.str(), "{\"model_type\": \"gpt2\"}");
}

TEST_F(VerifyCommandTest, BadOptionsAre2) {
  const Result exact = Run({Model(), "--precision", "float64"});
  EXPECT_EQ(exact.code, 2);
  EXPECT_THAT(exact.err, AllOf(HasSubstr("--precision"), HasSubstr("float64"), HasSubstr("float32")));
  EXPECT_EQ(Run({}).code, 2);
  EXPECT_EQ(Run({Model(), "--format", "xml"}).code, 2);
  EXPECT_EQ(Run({Model(), "--device", "tpu"}).code, 2);
  EXPECT_EQ(Run({Model(), "--no-cache", "--cache", "f"}).code, 2);
}

TEST_F(VerifyCommandTest, OptionsMayStandInTheEnvironment) {
  setenv("ABLATE_MODEL", folder_.c_str(), 1);
  const Result result = Run({"--no-cache"});
  unsetenv("ABLATE_MODEL");
  EXPECT_EQ(result.code, 0) << result.err;
}

// A server's ABLATE_PRECISION may be there, whatever it is.
TEST_F(VerifyCommandTest, TheCommandLineBeatsTheEnvironment) {
  for (const char* value : {"bf16", "float64"}) {
    setenv("ABLATE_PRECISION", value, 1);
    const Result result = Run({Model(), "--no-cache", "--precision=float32"});
    unsetenv("ABLATE_PRECISION");
    EXPECT_EQ(result.code, 0) << result.err;
    EXPECT_THAT(result.out, AllOf(HasSubstr("in float32"), Not(HasSubstr("bf16")))) << value;
  }
  setenv("ABLATE_PRECISION", "float64", 1);
  const Result result = Run({Model(), "--no-cache"});
  unsetenv("ABLATE_PRECISION");
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, AllOf(HasSubstr("got `float64`"), HasSubstr("ABLATE_PRECISION")));
}

TEST_F(VerifyCommandTest, HelpIs0) {
  const Result result = Run({"--help"});
  EXPECT_EQ(result.code, 0);
  EXPECT_THAT(result.out, AllOf(HasSubstr("--cache"), HasSubstr("float64"), HasSubstr("ABLATE_MODEL")));
}

TEST_F(VerifyCommandTest, AModelThatCannotBeLoadedIs1) {
  const Result result = Run({"--model=broken"});
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.err, HasSubstr("ablated verify: broken/config.json: no such file\n"));
}

TEST_F(VerifyCommandTest, NotFiniteIs1AndKeepsNothing) {
  const Result result = Run({Model()}, [](const EngineOptions& options) -> absl::StatusOr<std::unique_ptr<Engine>> {
    return std::make_unique<NoisyEngine>(
        NoisyOptions{.precision = options.precision,
                     .noise = [](const NoisyCell& cell) { return cell.variant == 2 ? 1e308 * 10 : 0; },
                     .copies = {},
                     .status = {}});
  });
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.err, HasSubstr("expected a finite number"));
  EXPECT_TRUE(fs::is_empty(folder_));
}

}  // namespace
}  // namespace ablate
