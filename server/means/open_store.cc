#include "server/means/open_store.h"

#include <filesystem>

#include "engine/files/user_data.h"
#include "spdlog/spdlog.h"

namespace ablate {
namespace fs = std::filesystem;

std::string DefaultMeansDir() {
  return UserDataFolder("means");
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
