#include "engine/files/user_data.h"

#include <cstdlib>
#include <filesystem>
#include <optional>

namespace ablate {
namespace {

namespace fs = std::filesystem;

// The specification has relative paths ignored.
std::optional<fs::path> AbsolutePath(const char* variable) {
  const char* value = std::getenv(variable);
  if (value == nullptr || !fs::path(value).is_absolute()) return std::nullopt;
  return fs::path(value);
}

}  // namespace

std::string UserDataFolder(absl::string_view name) {
  const std::string folder(name);
  if (const auto data = AbsolutePath("XDG_DATA_HOME")) return (*data / "ablate" / folder).string();
  if (const auto home = AbsolutePath("HOME")) return (*home / ".local" / "share" / "ablate" / folder).string();
  return "";
}

std::string UserCacheFolder() {
  if (const auto cache = AbsolutePath("XDG_CACHE_HOME")) return (*cache / "ablate").string();
  if (const auto home = AbsolutePath("HOME")) return (*home / ".cache" / "ablate").string();
  return "";
}

}  // namespace ablate
