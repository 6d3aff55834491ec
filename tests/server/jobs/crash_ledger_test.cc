#include "server/jobs/crash_ledger.h"

#include <csignal>
#include <cstdlib>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ablate {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

std::string Path(const char* name) {
  return ::testing::TempDir() + "/" + name;
}

TEST(CrashLedgerTest, TellsWhatRan) {
  const std::string path = Path("told");
  {
    auto ledger = CrashLedger::Open(path);
    ASSERT_TRUE(ledger.ok()) << ledger.status();
    EXPECT_THAT(ledger->wreck().running, IsEmpty());
    ledger->Note(1, 2);
    ledger->Clear();
    ledger->Note(7, 0);
    ledger->Note(7, 123456);
  }
  const auto ledger = CrashLedger::Open(path);
  EXPECT_THAT(ledger->wreck().running, ElementsAre(Pair(7, 0), Pair(7, 123456)));
  EXPECT_EQ(ledger->wreck().signal, 0);
}

TEST(CrashLedgerTest, NothingRunsAfterClear) {
  const std::string path = Path("cleared");
  {
    auto ledger = CrashLedger::Open(path);
    ledger->Note(1, 2);
    ledger->Clear();
  }
  EXPECT_THAT(CrashLedger::Open(path)->wreck().running, IsEmpty());
}

TEST(CrashLedgerTest, AFatalSignalIsNotedAndStillKills) {
  const std::string path = Path("signal");
  EXPECT_EXIT(
      {
        auto ledger = CrashLedger::Open(path);
        ledger->NoteFatalSignals();
        ledger->Note(3, 4);
        std::abort();
      },
      ::testing::KilledBySignal(SIGABRT), "");
  const auto ledger = CrashLedger::Open(path);
  EXPECT_THAT(ledger->wreck().running, ElementsAre(Pair(3, 4)));
  EXPECT_EQ(ledger->wreck().signal, SIGABRT);
}

TEST(CrashLedgerTest, AMissingFolderIsAnError) {
  EXPECT_TRUE(absl::IsFailedPrecondition(CrashLedger::Open(Path("no/such/folder")).status()));
}

}  // namespace
}  // namespace ablate
