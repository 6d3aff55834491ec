#include "server/means/open_store.h"

#include <cstdlib>
#include <filesystem>

#include "spdlog/spdlog.h"

namespace ablate {
namespace {

namespace fs = std::filesystem;

// The XDG specification has relative paths ignored.
std::optional<fs::path> AbsolutePath(const char* variable) {
  const char* value = std::getenv(variable);
  if (value == nullptr || !fs::path(value).is_absolute()) return std::nullopt;
  return fs::path(value);
}

}  // namespace

std::string DefaultMeansDir() {
  if (const auto data = AbsolutePath("XDG_DATA_HOME")) return (*data / "ablate" / "means").string();
  if (const auto home = AbsolutePath("HOME")) return (*home / ".local" / "share" / "ablate" / "means").string();
  return "";
}

absl::StatusOr<std::unique_ptr<MeanStore>> OpenMeanStore(const std::optional<std::string>& means_dir,
                                                         const std::string& model_dir) {
  MeanStoreOptions options;
  options.folder = means_dir.has_value() ? *means_dir : DefaultMeansDir();
  options.make_later = !means_dir.has_value();
  options.companions = (fs::path(model_dir) / "means").string();
  std::error_code ignored;
  if (fs::equivalent(options.folder, options.companions, ignored)) options.companions.clear();
  auto store = MeanStore::Open(options);
  if (!store.ok() || !means_dir.has_value() || means_dir->empty()) return store;
  const absl::Status writable = (*store)->CheckWritable();
  if (!writable.ok()) spdlog::warn("mean libraries can be read and not stored: {}", std::string(writable.message()));
  return store;
}

}  // namespace ablate
