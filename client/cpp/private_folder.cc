#include "client/cpp/private_folder.h"

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace ablate::client {

PrivateFolder::PrivateFolder(std::string path) : path_(std::move(path)) {}

PrivateFolder::PrivateFolder(PrivateFolder&& other) noexcept : path_(std::exchange(other.path_, "")) {}

PrivateFolder::~PrivateFolder() {
  std::error_code ignored;
  if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
}

absl::StatusOr<PrivateFolder> PrivateFolder::Make() {
  constexpr size_t kLongestParent = 70;
  const char* from_environment = getenv("TMPDIR");
  std::string parent = from_environment == nullptr ? "" : from_environment;
  if (parent.empty() || parent.size() > kLongestParent) parent = "/tmp";
  std::string path = absl::StrCat(parent, "/ablate-XXXXXX");
  // mkdtemp makes the folder with mode 0700.
  if (mkdtemp(path.data()) == nullptr) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot make a temporary folder in ", parent));
  }
  return PrivateFolder(std::move(path));
}

}  // namespace ablate::client
