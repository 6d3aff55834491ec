#include "server/means/open_store.h"

#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>

#include "gtest/gtest.h"
#include "tests/server/means/make_library.h"

namespace ablate {
namespace {

namespace fs = std::filesystem;

// Sets or (nullptr) unsets a variable for as long as it lives.
class Environment {
 public:
  Environment(const char* name, const char* value) : name_(name) {
    if (const char* before = std::getenv(name); before != nullptr) before_ = before;
    Set(value);
  }
  ~Environment() { Set(before_.has_value() ? before_->c_str() : nullptr); }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

 private:
  void Set(const char* value) const { value == nullptr ? unsetenv(name_) : setenv(name_, value, 1); }

  const char* const name_;
  std::optional<std::string> before_;
};

TEST(DefaultMeansDirTest, IsTheUsersDataFolder) {
  const Environment home("HOME", "/home/somebody");
  {
    const Environment data("XDG_DATA_HOME", "/data");
    EXPECT_EQ(DefaultMeansDir(), "/data/ablate/means");
  }
  {
    const Environment data("XDG_DATA_HOME", "relative");
    EXPECT_EQ(DefaultMeansDir(), "/home/somebody/.local/share/ablate/means");
  }
  const Environment data("XDG_DATA_HOME", nullptr);
  EXPECT_EQ(DefaultMeansDir(), "/home/somebody/.local/share/ablate/means");
  const Environment nowhere("HOME", nullptr);
  EXPECT_EQ(DefaultMeansDir(), "");
}

TEST(OpenMeanStoreTest, TheDefaultIsMadeWhenItIsNeeded) {
  const TestFolder folder;
  const Environment data("XDG_DATA_HOME", folder.path().c_str());
  const auto store = OpenMeanStore(std::nullopt, folder / "model").value();
  EXPECT_FALSE(fs::exists(folder / "ablate"));
  ASSERT_TRUE(store->Put(std::make_shared<const MeanLibrary>(MakeLibrary())).ok());
  EXPECT_TRUE(fs::exists(folder / "ablate/means"));
}

TEST(OpenMeanStoreTest, AFolderThatIsNamedIsMadeAtOnce) {
  const TestFolder folder;
  EXPECT_TRUE(OpenMeanStore(folder / "means", folder / "model").ok());
  EXPECT_TRUE(fs::is_directory(folder / "means"));
  WriteFile(folder / "file", "x");
  EXPECT_FALSE(OpenMeanStore(folder / "file/in", folder / "model").ok());
}

TEST(OpenMeanStoreTest, AnEmptyNameKeepsNothing) {
  const TestFolder folder;
  EXPECT_FALSE(OpenMeanStore("", folder / "model").value()->CheckWritable().ok());
}

TEST(OpenMeanStoreTest, TheModelsOwnAreRead) {
  const TestFolder folder;
  const std::string id =
      MeanStore::Open(folder / "model/means").value()->Put(std::make_shared<const MeanLibrary>(MakeLibrary()))->id();
  for (const std::string& own : {std::string(), folder / "means"}) {
    const auto store = OpenMeanStore(own, folder / "model").value();
    EXPECT_TRUE(store->Get(id).ok());
    EXPECT_FALSE(store->Delete(id).ok());
  }
  // Whoever names the model's folder may change it.
  EXPECT_TRUE(OpenMeanStore(folder / "model/means", folder / "model").value()->Delete(id).ok());
}

}  // namespace
}  // namespace ablate
