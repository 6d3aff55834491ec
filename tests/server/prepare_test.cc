// Preparation alone: when it is given up.
#include "server/prepare.h"

#include <memory>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/fake_engine.h"
#include "tests/server/scan_call.h"

namespace ablate {
namespace {

TEST(PrepareTest, AsksBeforeEachPromptWhetherToGoOn) {
  const FakeEngine engine(std::make_shared<FakeDevice>());
  int asked = 0;
  const auto prepared = Prepare(ManyPrompts(1000), engine, {}, [&asked] {
    return ++asked == 11 ? absl::CancelledError("the client has left") : absl::OkStatus();
  });
  EXPECT_EQ(prepared.status().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(asked, 11);
}

TEST(PrepareTest, StopsAtTheFirstPromptThatIsTooMuch) {
  const FakeEngine engine(std::make_shared<FakeDevice>());
  int asked = 0;
  const auto prepared = Prepare(ManyPrompts(1000), engine, {.tokens = 20}, [&asked] {
    ++asked;
    return absl::OkStatus();
  });
  EXPECT_EQ(prepared.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(asked, 21);
}

}  // namespace
}  // namespace ablate
