#include "tests/engine/files/temp_dir.h"

#include <stdlib.h>

#include <fstream>
#include <stdexcept>

namespace ablate::testing {

TempDir::TempDir() {
  std::string pattern = (std::filesystem::temp_directory_path() / "ablate_test_XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
  path_ = pattern;
}

TempDir::~TempDir() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

void TempDir::Write(std::string_view name, std::string_view bytes) const {
  std::ofstream out(path_ / name, std::ios::binary | std::ios::trunc);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  out.close();
  if (!out) throw std::runtime_error("cannot write a test file");
}

}  // namespace ablate::testing
