#include "engine/forward/caught.h"

#include <ATen/Functions.h>
#include <c10/util/Exception.h>
#include <gtest/gtest.h>

#include <functional>
#include <new>
#include <stdexcept>

namespace ablate {
namespace {

absl::Status Caught(const std::function<void()>& f) {
  try {
    f();
  } catch (...) {
    return CaughtStatus();
  }
  return absl::OkStatus();
}

TEST(CaughtStatus, MemoryIsResourceExhaustedWhoeverRanOutOfIt) {
  EXPECT_EQ(Caught([] { throw std::bad_alloc(); }).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(Caught([] { C10_THROW_ERROR(OutOfMemoryError, "CUDA out of memory"); }).code(),
            absl::StatusCode::kResourceExhausted);
  // 2^50 bytes, from the CPU's allocator itself.
  const absl::Status status = Caught([] { at::empty({int64_t{1} << 48}, at::kFloat); });
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
}

TEST(CaughtStatus, AnythingElseIsInternalWithItsMessage) {
  EXPECT_EQ(Caught([] { throw std::runtime_error("broken"); }), absl::InternalError("broken"));
  EXPECT_EQ(Caught([] { TORCH_CHECK(false, "wrong shape"); }).message(), "wrong shape");
  // What is no std::exception is caught too.
  EXPECT_EQ(Caught([] { throw 1; }).code(),  // NOLINT(bugprone-std-exception-baseclass,hicpp-exception-baseclass)
            absl::StatusCode::kInternal);
}

}  // namespace
}  // namespace ablate
