#include "server/means/mean_store.h"

#include <unistd.h>

#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/means/mean_file.h"
#include "tests/server/means/make_library.h"

namespace ablate {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::shared_ptr<const MeanLibrary> Shared(const std::string& data = "d0") {
  return std::make_shared<const MeanLibrary>(MakeLibrary(data));
}

std::unique_ptr<MeanStore> Open(const MeanStoreOptions& options) {
  auto store = MeanStore::Open(options);
  EXPECT_TRUE(store.ok()) << store.status();
  return *std::move(store);
}

std::vector<std::string> Ids(const MeanStore& store) {
  std::vector<std::string> ids;
  const auto list = store.List();
  EXPECT_TRUE(list.ok()) << list.status();
  for (const auto& info : *list) ids.push_back(info.id());
  return ids;
}

TEST(MeanStoreTest, WhatIsPutIsThereAndStaysThere) {
  const TestFolder folder;
  const auto library = Shared();
  const std::string id = library->info.id();
  {
    const auto store = MeanStore::Open(folder / "made/for/it").value();
    EXPECT_TRUE(fs::is_directory(folder / "made/for/it"));
    EXPECT_TRUE(absl::IsNotFound(store->Get(id).status()));
    const auto info = store->Put(library);
    ASSERT_TRUE(info.ok()) << info.status();
    EXPECT_EQ(info->id(), id);
    EXPECT_EQ(info->size_bytes(), static_cast<int64_t>(fs::file_size(folder / ("made/for/it/" + id + ".safetensors"))));
    EXPECT_EQ(store->Get(id).value()->mean, library->mean);
  }
  const auto again = MeanStore::Open(folder / "made/for/it").value();
  EXPECT_EQ(again->Get(id).value()->mean, library->mean);
  ASSERT_TRUE(again->Delete(id).ok());
  EXPECT_TRUE(absl::IsNotFound(again->Get(id).status()));
  EXPECT_TRUE(absl::IsNotFound(again->Delete(id)));
  EXPECT_THAT(Ids(*again), ElementsAre());
}

TEST(MeanStoreTest, ListsByIdWithoutWhatIsDamaged) {
  const TestFolder folder;
  const auto store = MeanStore::Open(folder.path()).value();
  std::vector<std::string> ids;
  for (const char* data : {"a", "b", "c"}) ids.push_back(store->Put(Shared(data))->id());
  std::sort(ids.begin(), ids.end());
  EXPECT_EQ(Ids(*store), ids);
  WriteFile(folder / (ids[1] + ".safetensors"), "not a library");
  WriteFile(folder / "notes.txt", "mine");
  WriteFile(folder / "other.safetensors", "mine too");
  EXPECT_THAT(Ids(*store), ElementsAre(ids[0], ids[2]));
  const auto damaged = store->Get(ids[1]);
  EXPECT_EQ(damaged.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(damaged.status().message()), HasSubstr(ids[1] + ".safetensors: "));
  // A file under another's name is not that other's.
  fs::copy_file(folder / (ids[0] + ".safetensors"), folder / (ids[1] + ".safetensors"),
                fs::copy_options::overwrite_existing);
  EXPECT_EQ(store->Get(ids[1]).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(Ids(*store), ElementsAre(ids[0], ids[2]));
}

TEST(MeanStoreTest, TheFirstOfAnIdStaysUnlessItIsDamaged) {
  const TestFolder folder;
  const auto store = MeanStore::Open(folder.path()).value();
  MeanLibrary library = MakeLibrary();
  const std::string id = library.info.id();
  library.info.set_display_name("first");
  ASSERT_TRUE(store->Put(std::make_shared<const MeanLibrary>(library)).ok());
  library.info.set_display_name("second");
  EXPECT_EQ(store->Put(std::make_shared<const MeanLibrary>(library))->display_name(), "first");
  WriteFile(folder / (id + ".safetensors"), "damaged");
  EXPECT_EQ(store->Put(std::make_shared<const MeanLibrary>(library))->display_name(), "second");
  EXPECT_EQ(store->Get(id).value()->info.display_name(), "second");
}

// Another process shares the folder.
TEST(MeanStoreTest, WhatIsInMemoryIsNotWhatAnotherHasChanged) {
  const TestFolder folder;
  const auto ours = MeanStore::Open(folder.path()).value();
  const auto theirs = MeanStore::Open(folder.path()).value();
  const std::string id = theirs->Put(Shared())->id();
  const auto first = ours->Get(id);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(ours->Get(id).value(), *first) << "the same, from memory";
  ASSERT_TRUE(theirs->Delete(id).ok());
  EXPECT_TRUE(absl::IsNotFound(ours->Get(id).status()));
  ASSERT_TRUE(theirs->Put(Shared()).ok());
  EXPECT_TRUE(ours->Get(id).ok());
  EXPECT_EQ((*first)->info.id(), id) << "what was handed out lives on";
}

TEST(MeanStoreTest, OnlyAFewStayInMemory) {
  const TestFolder folder;
  const auto store = MeanStore::Open(folder.path()).value();
  std::vector<std::weak_ptr<const MeanLibrary>> seen;
  for (int i = 0; i < 6; ++i) {
    const std::string id = store->Put(Shared(std::to_string(i)))->id();
    seen.push_back(store->Get(id).value());
  }
  std::vector<bool> alive;
  for (const auto& library : seen) alive.push_back(!library.expired());
  EXPECT_THAT(alive, ElementsAre(false, false, true, true, true, true));
}

TEST(MeanStoreTest, NoIdLeadsOutOfTheFolder) {
  const TestFolder folder;
  const auto store = MeanStore::Open(folder / "means").value();
  const std::string id = store->Put(Shared())->id();
  fs::copy_file(folder / ("means/" + id + ".safetensors"), folder / ("x.safetensors"));
  for (const std::string& bad : {std::string("../x"), std::string(), std::string("."), id.substr(1), id + "0",
                                 "../means/" + id, std::string(100'000, 'a')}) {
    EXPECT_TRUE(absl::IsNotFound(store->Get(bad).status())) << bad.substr(0, 50);
    EXPECT_TRUE(absl::IsNotFound(store->Delete(bad))) << bad.substr(0, 50);
    EXPECT_LT(store->Get(bad).status().message().size(), 300U);
  }
  EXPECT_TRUE(fs::exists(folder / "x.safetensors"));
}

TEST(MeanStoreTest, CompanionsAreReadAndNeverWritten) {
  const TestFolder folder;
  const std::string bundled = MeanStore::Open(folder / "model").value()->Put(Shared("bundled"))->id();
  const auto store = Open({.folder = folder / "own", .companions = folder / "model"});
  const std::string own = store->Put(Shared("own"))->id();
  EXPECT_TRUE(store->Get(bundled).ok());
  EXPECT_THAT(Ids(*store), testing::UnorderedElementsAre(bundled, own));
  const absl::Status refused = store->Delete(bundled);
  EXPECT_EQ(refused.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("came with the model"));
  EXPECT_TRUE(fs::exists(folder / ("model/" + bundled + ".safetensors")));
  // Put says that it is there already.
  ASSERT_TRUE(store->Put(Shared("bundled")).ok());
  EXPECT_FALSE(fs::exists(folder / ("own/" + bundled + ".safetensors")));
  EXPECT_FALSE(Open({.folder = folder / "own", .companions = folder / "missing"})->Get(bundled).ok());
}

TEST(MeanStoreTest, WithoutAFolderNothingIsKept) {
  const TestFolder folder;
  const std::string bundled = MeanStore::Open(folder / "model").value()->Put(Shared("bundled"))->id();
  const auto store = Open({.companions = folder / "model"});
  EXPECT_TRUE(store->Get(bundled).ok());
  for (const absl::Status& status : {store->CheckWritable(), store->Put(Shared()).status()}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(std::string(status.message()), HasSubstr("--means-dir"));
  }
  EXPECT_TRUE(MeanStore::Open(folder.path()).value()->CheckWritable().ok());
}

TEST(MeanStoreTest, AFolderMayBeMadeLater) {
  const TestFolder folder;
  const auto store = Open({.folder = folder / "later", .make_later = true});
  EXPECT_FALSE(fs::exists(folder / "later"));
  EXPECT_THAT(Ids(*store), ElementsAre());
  ASSERT_TRUE(store->Put(Shared()).ok());
  EXPECT_EQ(Ids(*store).size(), 1U);
}

// As a container without a volume.
TEST(MeanStoreTest, AFolderThatMayNotBeWrittenToIsRead) {
  if (geteuid() == 0) GTEST_SKIP() << "root may write everywhere";
  const TestFolder folder;
  const std::string id = MeanStore::Open(folder / "means").value()->Put(Shared())->id();
  fs::permissions(folder / "means", fs::perms::owner_read | fs::perms::owner_exec);
  const auto store = MeanStore::Open(folder / "means").value();
  EXPECT_TRUE(store->Get(id).ok());
  for (const absl::Status& status : {store->CheckWritable(), store->Put(Shared("other")).status()}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(std::string(status.message()), HasSubstr("--means-dir"));
  }
  fs::permissions(folder / "means", fs::perms::owner_all);
}

TEST(MeanStoreTest, AFolderThatCannotBeUsedIsNamed) {
  const TestFolder folder;
  WriteFile(folder / "file", "x");
  for (const std::string& path : {folder / "file", folder / "file/in"}) {
    const auto store = MeanStore::Open(path);
    EXPECT_EQ(store.status().code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(std::string(store.status().message()), HasSubstr(path));
  }
  EXPECT_FALSE(MeanStore::Open(MeanStoreOptions{.folder = folder / "file", .make_later = true}).ok());
  const auto later = Open({.folder = folder / "file/in", .make_later = true});
  EXPECT_THAT(std::string(later->CheckWritable().message()), HasSubstr("cannot be made"));
}

TEST(MeanStoreTest, ManyMayPutAndGetAtOnce) {
  const TestFolder folder;
  const auto store = MeanStore::Open(folder.path()).value();
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&store] {
      for (int i = 0; i < 8; ++i) {
        const auto library = Shared(std::to_string(i));
        EXPECT_TRUE(store->Put(library).ok());
        const auto got = store->Get(library->info.id());
        EXPECT_TRUE(got.ok()) << got.status();
        if (got.ok()) {
          EXPECT_EQ((*got)->mean, library->mean);
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(Ids(*store).size(), 8U);
}

}  // namespace
}  // namespace ablate
