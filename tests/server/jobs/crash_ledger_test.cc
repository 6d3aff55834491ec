#include "server/jobs/crash_ledger.h"

#include <array>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <string>
#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/signal_stack.h"

namespace ablate {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

std::string Path(const char* name) {
  return ::testing::TempDir() + "/" + name;
}

// As after a crash.
Wreck WreckOf(const std::string& path) {
  std::ofstream(path, std::ios::app) << "s 11\n";
  return CrashLedger::Open(path)->wreck();
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
  EXPECT_THAT(WreckOf(path).running, ElementsAre(Pair(7, 0), Pair(7, 123456)));
}

TEST(CrashLedgerTest, NothingRunsAfterClear) {
  const std::string path = Path("cleared");
  {
    auto ledger = CrashLedger::Open(path);
    ledger->Note(1, 2);
    ledger->Clear();
  }
  EXPECT_THAT(WreckOf(path).running, IsEmpty());
}

// Whatever ends the process afterwards.
TEST(CrashLedgerTest, WhatLosesTheDeviceIsToBlame) {
  const std::string path = Path("condemned");
  {
    auto ledger = CrashLedger::Open(path);
    ledger->Note(7, 3);
    ledger->Condemn();
    ledger->Note(8, 0);
    ledger->Clear();
    ledger->Retire();
  }
  const Wreck wreck = CrashLedger::Open(path)->wreck();
  EXPECT_THAT(wreck.running, ElementsAre(Pair(7, 3)));
  EXPECT_EQ(wreck.signal, Wreck::kExit);
}

TEST(CrashLedgerTest, NothingIsToBlameWhereNothingRan) {
  const std::string path = Path("acquitted");
  {
    auto ledger = CrashLedger::Open(path);
    ledger->Condemn();
  }
  EXPECT_THAT(CrashLedger::Open(path)->wreck().running, IsEmpty());
}

TEST(CrashLedgerTest, AFatalSignalIsNotedAndStillKills) {
  const std::string path = Path("signal");
  EXPECT_EXIT(
      {
        auto ledger = CrashLedger::Open(path);
        ledger->NoteDeath();
        ledger->Note(3, 4);
        std::abort();
      },
      ::testing::KilledBySignal(SIGABRT), "");
  const auto ledger = CrashLedger::Open(path);
  EXPECT_THAT(ledger->wreck().running, ElementsAre(Pair(3, 4)));
  EXPECT_EQ(ledger->wreck().signal, SIGABRT);
}

int Overflow(int depth) {
  std::array<char, 4096> frame = {};
  volatile char* const used = frame.data();
  *used = 1;
  return depth < 0 ? 0 : Overflow(depth + 1) + *used;
}

TEST(CrashLedgerTest, SoIsAStackThatOverflows) {
  const std::string path = Path("overflow");
  EXPECT_EXIT(
      {
        auto ledger = CrashLedger::Open(path);
        ledger->NoteDeath();
        ledger->Note(3, 4);
        std::thread([] {
          const SignalStack stack;
          std::exit(Overflow(0));
        }).join();
      },
      ::testing::KilledBySignal(SIGSEGV), "");
  EXPECT_EQ(CrashLedger::Open(path)->wreck().signal, SIGSEGV);
}

TEST(CrashLedgerTest, SoIsAnExit) {
  const std::string path = Path("exit");
  EXPECT_EXIT(
      {
        auto ledger = CrashLedger::Open(path);
        ledger->NoteDeath();
        ledger->Note(3, 4);
        std::exit(1);
      },
      ::testing::ExitedWithCode(1), "");
  const auto ledger = CrashLedger::Open(path);
  EXPECT_THAT(ledger->wreck().running, ElementsAre(Pair(3, 4)));
  EXPECT_EQ(ledger->wreck().signal, Wreck::kExit);
}

// Scans run while the job's thread prepares it.
TEST(CrashLedgerTest, AWholeJobIsToBlameForItsOwnThreadOnly) {
  const std::string path = Path("whole");
  for (const bool own : {true, false}) {
    EXPECT_EXIT(
        {
          auto ledger = CrashLedger::Open(path);
          ledger->NoteDeath();
          const WholeJobNote note(&*ledger, 3);
          if (own) std::abort();
          std::thread([] { std::abort(); }).join();
        },
        ::testing::KilledBySignal(SIGABRT), "");
    EXPECT_EQ(CrashLedger::Open(path)->wreck().running.size(), own ? 1U : 0U);
  }
}

TEST(CrashLedgerTest, AndForItsOwnThreadsExit) {
  const std::string path = Path("whole_exit");
  for (const bool own : {true, false}) {
    EXPECT_EXIT(
        {
          auto ledger = CrashLedger::Open(path);
          ledger->NoteDeath();
          ledger->Note(3, kWholeJob);
          if (own) std::exit(1);
          std::thread([] { std::exit(1); }).join();
        },
        ::testing::ExitedWithCode(1), "");
    EXPECT_EQ(CrashLedger::Open(path)->wreck().running.size(), own ? 1U : 0U);
  }
}

TEST(CrashLedgerTest, WhatIsSuspendedDoesNotRun) {
  const std::string path = Path("suspended");
  auto ledger = CrashLedger::Open(path);
  ledger->Note(1, 2);
  ledger->Note(1, 3);
  ledger->Suspend();
  EXPECT_THAT(WreckOf(path).running, IsEmpty());
  ledger->Resume();
  EXPECT_THAT(WreckOf(path).running, ElementsAre(Pair(1, 2), Pair(1, 3)));
}

TEST(CrashLedgerTest, WhatIsSuspendedWhenItIsToldToStopStaysAway) {
  const std::string path = Path("suspended_for_good");
  auto ledger = CrashLedger::Open(path);
  ledger->Note(1, 2);
  ledger->Suspend();
  ledger->Retire();
  ledger->Resume();
  EXPECT_THAT(WreckOf(path).running, IsEmpty());
}

// Its note could not be read, and nothing was ever to blame there.
TEST(CrashLedgerTest, AKernelWithoutABootIdBlamesToo) {
  const std::string path = Path("no_boot_id");
  const std::string empty = Path("empty_boot_id");
  std::ofstream(empty).close();
  for (const std::string& boot_id : {Path("no_such_boot_id"), empty}) {
    CrashLedger::Open(path, boot_id)->Note(1, 2);
    std::ofstream(path, std::ios::app) << "s 11\n";
    EXPECT_THAT(CrashLedger::Open(path, boot_id)->wreck().running, ElementsAre(Pair(1, 2)));
    EXPECT_THAT(CrashLedger::Open(path)->wreck().running, IsEmpty()) << "a kernel that tells one";
    std::ofstream(path) << "b - -1\nr 1 2\n";
    EXPECT_THAT(CrashLedger::Open(path, boot_id)->wreck().running, ElementsAre(Pair(1, 2)));
  }
}

// Long prompts were set aside because somebody had killed the server five times.
TEST(CrashLedgerTest, AKillCountsWhereTheKernelHasKilled) {
  const std::string path = Path("killed");
  std::string boot;
  int64_t kills = -1;
  {
    auto ledger = CrashLedger::Open(path);
    ledger->Note(1, 2);
    std::string word;
    std::ifstream(path) >> word >> boot >> kills;
  }
  const auto blamed = [&](int64_t kills_before) {
    std::ofstream(path) << "b " << boot << ' ' << kills_before << "\nr 1 2\n";
    return CrashLedger::Open(path)->wreck().running.size();
  };
  EXPECT_EQ(blamed(-1), 1U) << "where it does not tell";
  if (kills < 0) GTEST_SKIP() << "this kernel does not tell";
  EXPECT_EQ(blamed(kills), 0U);
  EXPECT_EQ(blamed(kills + 1), 1U) << "it is another number";
}

TEST(CrashLedgerTest, NothingIsToBlameOnceItIsToldToStop) {
  const std::string path = Path("retired");
  {
    auto ledger = CrashLedger::Open(path);
    ledger->Note(1, 2);
    ledger->Retire();
    ledger->Note(1, 3);
  }
  EXPECT_THAT(WreckOf(path).running, IsEmpty());
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
  EXPECT_THAT(WreckOf(path).running, IsEmpty());
}

TEST(CrashLedgerTest, AMissingFolderIsAnError) {
  EXPECT_TRUE(absl::IsFailedPrecondition(CrashLedger::Open(Path("no/such/folder")).status()));
}

}  // namespace
}  // namespace ablate
