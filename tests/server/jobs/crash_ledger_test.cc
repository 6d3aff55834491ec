#include "server/jobs/crash_ledger.h"

#include <csignal>
#include <cstdlib>
#include <fstream>
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

TEST(CrashLedgerTest, NothingIsToBlameOnceItIsToldToStop) {
  const std::string path = Path("retired");
  {
    auto ledger = CrashLedger::Open(path);
    ledger->Note(1, 2);
    ledger->Retire();
    ledger->Note(1, 3);
  }
  EXPECT_THAT(CrashLedger::Open(path)->wreck().running, IsEmpty());
}

TEST(CrashLedgerTest, NothingIsToBlameForAMachineThatWentDown) {
  const std::string path = Path("rebooted");
  {
    auto ledger = CrashLedger::Open(path);
    ledger->Note(1, 2);
  }
  std::string text;
  std::ifstream(path) >> text >> text;
  ASSERT_EQ(text.size(), 36) << "no boot id: " << text;
  std::ofstream(path) << "b 01234567-89ab-cdef-0123-456789abcdef\nr 1 2\n";
  EXPECT_THAT(CrashLedger::Open(path)->wreck().running, IsEmpty());
}

TEST(CrashLedgerTest, AMissingFolderIsAnError) {
  EXPECT_TRUE(absl::IsFailedPrecondition(CrashLedger::Open(Path("no/such/folder")).status()));
}

}  // namespace
}  // namespace ablate
