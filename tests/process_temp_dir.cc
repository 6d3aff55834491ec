// Gives each test program a folder of its own as ::testing::TempDir(), and removes it in the end: CTest runs the cases
// of a program as processes side by side, which would write each other's files.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>

namespace {

class ProcessTempDir {
 public:
  ProcessTempDir() {
    std::string path = std::filesystem::temp_directory_path() / "ablate-test-XXXXXX";
    if (mkdtemp(path.data()) == nullptr) {
      std::perror("mkdtemp");
      std::abort();
    }
    path_ = path;
    setenv("TEST_TMPDIR", path_.c_str(), /*overwrite=*/1);
  }
  // A child that was forked leaves it alone.
  ~ProcessTempDir() {
    std::error_code ignored;
    if (getpid() == owner_) std::filesystem::remove_all(path_, ignored);
  }
  ProcessTempDir(const ProcessTempDir&) = delete;
  ProcessTempDir& operator=(const ProcessTempDir&) = delete;

 private:
  const pid_t owner_ = getpid();
  std::filesystem::path path_;
};

const ProcessTempDir kProcessTempDir;

}  // namespace
