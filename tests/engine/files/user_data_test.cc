#include "engine/files/user_data.h"

#include <cstdlib>
#include <string>

#include "gtest/gtest.h"

namespace ablate {
namespace {

// A variable of the environment, as it was before at the end.
class Variable {
 public:
  Variable(const char* name, const char* value) : name_(name) {
    if (const char* before = std::getenv(name)) before_ = before;
    value == nullptr ? unsetenv(name) : setenv(name, value, 1);
  }
  ~Variable() { before_.empty() ? unsetenv(name_) : setenv(name_, before_.c_str(), 1); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  const char* const name_;
  std::string before_;
};

TEST(UserDataTest, FoldersFollowTheEnvironment) {
  const Variable home("HOME", "/home/u"), data("XDG_DATA_HOME", nullptr), cache("XDG_CACHE_HOME", nullptr);
  EXPECT_EQ(UserDataFolder("means"), "/home/u/.local/share/ablate/means");
  EXPECT_EQ(UserCacheFolder(), "/home/u/.cache/ablate");
  const Variable other_data("XDG_DATA_HOME", "/d"), other_cache("XDG_CACHE_HOME", "/c");
  EXPECT_EQ(UserDataFolder("means"), "/d/ablate/means");
  EXPECT_EQ(UserCacheFolder(), "/c/ablate");
}

TEST(UserDataTest, RelativePathsAreNone) {
  const Variable home("HOME", "u"), data("XDG_DATA_HOME", "d"), cache("XDG_CACHE_HOME", "c");
  EXPECT_EQ(UserDataFolder("means"), "");
  EXPECT_EQ(UserCacheFolder(), "");
}

}  // namespace
}  // namespace ablate
