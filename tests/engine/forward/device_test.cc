#include "engine/forward/device.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ablate {
namespace {

using ::testing::HasSubstr;

TEST(ChooseDevice, TakesTheCpu) {
  EXPECT_EQ(ChooseDevice("cpu").value().device, c10::Device(c10::kCPU));
}

TEST(ChooseDevice, AutoAlwaysFindsSomething) {
  const absl::StatusOr<DeviceChoice> choice = ChooseDevice("auto");
  ASSERT_TRUE(choice.ok());
  EXPECT_EQ(choice->device.is_cpu(), !choice->why_cpu.empty()) << choice->why_cpu;
  EXPECT_EQ(ChooseDevice("cpu")->why_cpu, "");
}

TEST(ChooseDevice, NamesWhatItExpects) {
  for (const char* text : {"", "gpu", "cuda:", "cuda:x", "cuda:-1", "cuda:128", "cuda:99999999999", "CPU", "cpu "}) {
    const absl::Status status = ChooseDevice(text).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_THAT(std::string(status.message()), HasSubstr("expected auto, cpu or cuda:N")) << text;
  }
}

TEST(ChooseDevice, AGpuThatIsNotThereIsNamedWithTheWayOut) {
  const absl::Status status = ChooseDevice("cuda:127").status();
  ASSERT_FALSE(status.ok());
  EXPECT_THAT(std::string(status.message()), ::testing::AnyOf(HasSubstr("--device cpu"), HasSubstr("does not exist")));
}

TEST(CheckDriver, NamesWhatIsMissing) {
  EXPECT_THAT(std::string(CheckDriver(0).message()), HasSubstr("no NVIDIA driver"));
  EXPECT_THAT(std::string(CheckDriver(12080).message()),
              ::testing::AllOf(HasSubstr("speaks CUDA 12.8"), HasSubstr("580"), HasSubstr("--device cpu")));
  EXPECT_TRUE(CheckDriver(13000).ok());
  EXPECT_TRUE(CheckDriver(13020).ok());
}

TEST(CheckComputeCapability, NamesAGpuWithoutMachineCode) {
  EXPECT_THAT(std::string(CheckComputeCapability("Tesla V100", 7, 0).message()),
              ::testing::AllOf(HasSubstr("Tesla V100"), HasSubstr("7.0"), HasSubstr("7.5")));
  EXPECT_TRUE(CheckComputeCapability("Tesla T4", 7, 5).ok());
  EXPECT_TRUE(CheckComputeCapability("A100", 8, 0).ok());
  EXPECT_TRUE(CheckComputeCapability("H100", 9, 0).ok());
}

TEST(CheckPrecision, KnowsWhatADeviceComputesIn) {
  const c10::Device cpu(c10::kCPU);
  EXPECT_TRUE(CheckPrecision(Precision::kFloat32, cpu).ok());
  EXPECT_TRUE(CheckPrecision(Precision::kFloat64, cpu).ok());
  EXPECT_THAT(std::string(CheckPrecision(Precision::kTf32, cpu).message()), HasSubstr("--device cuda, or float32"));
  for (const Precision precision : {Precision::kFloat32, Precision::kTf32, Precision::kBf16}) {
    EXPECT_TRUE(CheckGpuPrecision(precision, 9).ok());
  }
  EXPECT_TRUE(CheckGpuPrecision(Precision::kFloat32, 7).ok());
  EXPECT_THAT(std::string(CheckGpuPrecision(Precision::kBf16, 7).message()), HasSubstr("bf16 needs a GPU of compute"));
  EXPECT_THAT(std::string(CheckGpuPrecision(Precision::kFloat64, 9).message()), HasSubstr("--device cpu"));
}

TEST(FreeBytes, IsPlausible) {
  EXPECT_GT(FreeBytes(c10::Device(c10::kCPU)), int64_t{64} << 20);
  EXPECT_FALSE(DeviceName(c10::Device(c10::kCPU)).empty());
}

}  // namespace
}  // namespace ablate
