// The shim itself: it runs what CUDA would, and it catches what CUDA would not tell.
#include "tests/kernels/shim/launch.h"

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/kernels/shim/device_language.h"

namespace ablate::shim {
namespace {

constexpr uint32_t kThreads = 96;

uint32_t ThreadIndex() {
  return threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
}

TEST(LaunchTest, RunsEveryThreadOnceAtItsPlace) {
  const LaunchShape shape = {.grid = {.x = 3, .y = 2, .z = 2}, .block = {.x = 4, .y = 3, .z = 2}};
  std::multiset<std::string> seen;
  ASSERT_EQ(
      Launch(shape, 1,
             [&] {
               ASSERT_EQ(gridDim.x * 100 + gridDim.y * 10 + gridDim.z, 322U);
               ASSERT_EQ(blockDim.x * 100 + blockDim.y * 10 + blockDim.z, 432U);
               std::string place;
               for (const uint32_t i : {blockIdx.x, blockIdx.y, blockIdx.z, threadIdx.x, threadIdx.y, threadIdx.z})
                 place += std::to_string(i);
               seen.insert(place);
             }),
      "");
  EXPECT_EQ(seen.size(), 12U * 24U);
  EXPECT_EQ(std::set<std::string>(seen.begin(), seen.end()).size(), seen.size());
}

TEST(LaunchTest, SeedsGiveOrders) {
  std::set<std::vector<uint32_t>> orders;
  for (uint32_t seed = 0; seed < 8; ++seed) {
    std::vector<uint32_t> order;
    ASSERT_EQ(Launch({.block = {.x = kThreads}}, seed, [&] { order.push_back(threadIdx.x); }), "");
    orders.insert(order);
  }
  EXPECT_EQ(orders.size(), 8U);
}

// Each thread tells its neighbour something through shared memory; `waits`: as it should.
std::string RunNeighbours(bool waits, uint32_t seed, std::vector<float>& got) {
  got.assign(kThreads, -1);
  return Launch({.block = {.x = kThreads}, .shared_bytes = kThreads * sizeof(float)}, seed, [&] {
    auto* const shared = static_cast<float*>(SharedMemory());
    const uint32_t i = threadIdx.x;
    shared[i] = static_cast<float>(i);
    if (waits) __syncthreads();
    got[i] = shared[(i + 1) % kThreads];
  });
}

TEST(LaunchTest, BarriersOrderAndAPlantedRaceShows) {
  std::vector<float> want(kThreads);
  for (uint32_t i = 0; i < kThreads; ++i) want[i] = static_cast<float>((i + 1) % kThreads);
  for (uint32_t seed = 0; seed < 8; ++seed) {
    std::vector<float> got;
    ASSERT_EQ(RunNeighbours(/*waits=*/true, seed, got), "");
    EXPECT_EQ(got, want) << "order " << seed;
    ASSERT_EQ(RunNeighbours(/*waits=*/false, seed, got), "");
    EXPECT_NE(got, want) << "the race does not show in order " << seed;
  }
}

// What nobody wrote, and what lies outside, reads as NaN; each block gets memory of its own.
TEST(LaunchTest, UnwrittenSharedMemoryIsNan) {
  int nans = 0;
  ASSERT_EQ(Launch({.grid = {.x = 4}, .block = {.x = 32}, .shared_bytes = 128}, 1,
                   [&] {
                     auto* const shared = static_cast<float*>(SharedMemory());
                     nans += std::isnan(shared[threadIdx.x]) ? 1 : 0;
                     nans += std::isnan(shared[-1 - static_cast<int>(threadIdx.x)]) ? 1 : 0;
                     __syncthreads();
                     shared[threadIdx.x] = 1;
                   }),
            "");
  EXPECT_EQ(nans, 4 * 32 * 2);
}

TEST(LaunchTest, APlantedWriteBeyondSharedMemoryIsCaught) {
  for (const int at : {-1, 32, 95}) {
    const std::string error = Launch({.block = {.x = 32}, .shared_bytes = 128}, 1, [&] {
      if (threadIdx.x == 7) static_cast<float*>(SharedMemory())[at] = 1;
    });
    EXPECT_EQ(error, "byte " + std::to_string(4 * at) + " of 128 bytes of shared memory was written");
  }
}

TEST(LaunchTest, ABarrierThatSomeLeaveOutIsCaught) {
  const std::string error = Launch({.block = {.x = 64}}, 3, [] {
    if (threadIdx.x != 5) __syncthreads();
  });
  EXPECT_NE(error.find("for threads that never come: 1 of 64 have ended"), std::string::npos) << error;
}

TEST(LaunchTest, TwoBarriersAreNotOne) {
  const std::string error = Launch({.block = {.x = 64}}, 3, [] {
    if (threadIdx.x < 32) {
      __syncthreads();
    } else {
      __syncthreads();
    }
  });
  EXPECT_NE(error.find("others are at"), std::string::npos) << error;
}

TEST(LaunchTest, WarpFunctionsMeetTheirOwnWarp) {
  for (uint32_t seed = 0; seed < 8; ++seed) {
    ASSERT_EQ(Launch({.block = {.x = 32, .y = 3}}, seed,
                     [] {
                       const uint32_t i = ThreadIndex(), warp = i / 32, lane = i % 32;
                       const double from = __shfl_sync(~0U, static_cast<double>(i) + 0.5, 3);
                       ASSERT_EQ(from, warp * 32 + 3.5);
                       const int32_t sum_of_pair =
                           static_cast<int32_t>(lane) + __shfl_xor_sync(~0U, static_cast<int32_t>(lane), 1);
                       ASSERT_EQ(sum_of_pair, static_cast<int32_t>(lane / 2 * 4 + 1));
                       ASSERT_EQ(__ballot_sync(~0U, lane % 4 == warp), 0x11111111U << warp);
                       __syncwarp();
                       // Half a warp by itself.
                       if (lane < 16) {
                         ASSERT_EQ(__ballot_sync(0xFFFFU, true), 0xFFFFU);
                       }
                     }),
              "");
  }
}

TEST(LaunchTest, AWarpFunctionThatALaneLeavesOutIsCaught) {
  std::string error = Launch({.block = {.x = 32}}, 1, [] {
    if (threadIdx.x != 9) __ballot_sync(~0U, true);
  });
  EXPECT_NE(error.find("never come"), std::string::npos) << error;
  error = Launch({.block = {.x = 32}}, 1, [] { __ballot_sync(threadIdx.x == 0 ? ~0U : ~1U, true); });
  EXPECT_NE(error, "");
  error = Launch({.block = {.x = 16}}, 1, [] { __ballot_sync(~0U, true); });
  EXPECT_NE(error.find("one too many"), std::string::npos) << error;
}

}  // namespace
}  // namespace ablate::shim
