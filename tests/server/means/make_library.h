// Small mean libraries, and a folder for their files.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "server/means/mean_library.h"

namespace ablate {

// 2 layers x 3 heads x 4, three positions with 4, 2 and 1 tokens; every mean is another number. `data_sha256` decides
// the id.
MeanLibrary MakeLibrary(const std::string& data_sha256 = "d0", const std::string& weights_sha256 = "3e1f");

// The library with the id that its info gives.
MeanLibrary WithId(MeanLibrary library);

std::string ReadFile(const std::filesystem::path& path);
void WriteFile(const std::filesystem::path& path, const std::string& bytes);

// A folder of the test's own, removed with what it holds.
class TestFolder {
 public:
  TestFolder();
  ~TestFolder();
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::string operator/(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

}  // namespace ablate
