#include "server/means/mean_store.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <map>
#include <optional>
#include <system_error>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "engine/files/durable_file.h"
#include "engine/files/file_stamp.h"
#include "engine/files/mapped_file.h"
#include "server/means/mean_cache.h"
#include "server/means/mean_file.h"
#include "server/means/mean_id.h"
#include "server/quote.h"
#include "spdlog/spdlog.h"

namespace ablate {
namespace {

namespace fs = std::filesystem;
namespace pb = ::ablation::v1;

constexpr char kPlacePayload[] = "ablate/place";
constexpr char kExtension[] = ".safetensors";
constexpr int64_t kPieceBytes = int64_t{1} << 20;

absl::Status NotFound(absl::string_view id) {
  if (IsMeanLibraryId(id)) return absl::NotFoundError(absl::StrCat("there is no mean library `", id, "`"));
  return absl::NotFoundError(
      absl::StrCat("there is no mean library ", Quoted(id), ": an id has 32 lower-case hex digits"));
}

// An error whose message is `what`, `place` and `why`; see PlaceIn.
absl::Status ErrorAt(absl::StatusCode code, absl::string_view what, const std::string& place, absl::string_view why) {
  absl::Status status(code, absl::StrCat(what, place, why));
  status.SetPayload(kPlacePayload, absl::Cord(place));
  return status;
}

absl::Status Unusable(const std::string& folder, absl::string_view why) {
  return ErrorAt(absl::StatusCode::kFailedPrecondition, "the folder of mean libraries", " " + folder,
                 absl::StrCat(" ", why));
}

absl::Status Damaged(absl::string_view id, const std::string& path, absl::string_view why) {
  return ErrorAt(absl::StatusCode::kDataLoss, absl::StrCat("the mean library `", id, "` is damaged"), " in " + path,
                 absl::StrCat(": ", why));
}

// `error` is the system's, and names the file.
absl::Status Failed(absl::StatusCode code, absl::string_view what, const absl::Status& error) {
  return ErrorAt(code, what, absl::StrCat(": ", error.message()), "");
}

// Of a file that is named <id>.safetensors; empty elsewhere.
std::string IdOf(const fs::path& path) {
  const std::string stem = path.stem().string();
  return path.extension() == kExtension && IsMeanLibraryId(stem) ? stem : "";
}

absl::StatusOr<pb::MeanLibrary> ReadInfo(const std::string& path, const std::string& id) {
  const auto file = MappedFile::Open(path);
  if (!file.ok()) return file.status();
  auto info = ParseMeanInfo(file->bytes(), path);
  if (info.ok() && info->id() != id) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": holds the library `", info->id(), "`"));
  }
  return info;
}

absl::StatusOr<std::shared_ptr<const MeanLibrary>> ReadLibrary(const std::string& path, absl::string_view id) {
  const auto file = MappedFile::Open(path);
  if (!file.ok()) {
    const auto code = absl::IsNotFound(file.status()) ? absl::StatusCode::kNotFound : absl::StatusCode::kInternal;
    return Failed(code, absl::StrCat("the mean library `", id, "` cannot be read"), file.status());
  }
  auto library = ParseMeanFile(file->bytes(), "the file");
  if (!library.ok()) return Damaged(id, path, library.status().message());
  if (library->info.id() != id) {
    return Damaged(id, path, absl::StrCat("the file holds the library `", library->info.id(), "`"));
  }
  return std::make_shared<const MeanLibrary>(*std::move(library));
}

}  // namespace

struct MeanStore::Impl {
  MeanStoreOptions options;
  std::shared_ptr<MeanCache> cache = std::make_shared<MeanCache>();
  // One at a time: a second Put of an id then finds the first.
  absl::Mutex put_mu;

  // Where the library lies; nullopt: nowhere. A library of one's own hides a companion.
  std::optional<std::string> Find(absl::string_view id) const {
    if (!IsMeanLibraryId(id)) return std::nullopt;
    for (const std::string& folder : {options.folder, options.companions}) {
      if (folder.empty()) continue;
      std::string path = PathIn(folder, id);
      if (StampOfFile(path).has_value()) return path;
    }
    return std::nullopt;
  }

  static std::string PathIn(const std::string& folder, absl::string_view id) {
    return (fs::path(folder) / absl::StrCat(id, kExtension)).string();
  }

  std::error_code MakeFolder() const {
    std::error_code error;
    fs::create_directories(options.folder, error);
    return error;
  }

  absl::Status List(const std::string& folder, std::map<std::string, pb::MeanLibrary>& found) const {
    std::error_code error;
    fs::directory_iterator entry(folder, error);
    if (error == std::errc::no_such_file_or_directory) return absl::OkStatus();
    for (const fs::directory_iterator end; !error && entry != end; entry.increment(error)) {
      const std::string id = IdOf(entry->path());
      if (id.empty() || found.contains(id)) continue;
      auto info = ReadInfo(entry->path().string(), id);
      if (info.ok()) {
        found.emplace(id, *std::move(info));
      } else if (!absl::IsNotFound(info.status())) {
        spdlog::warn("a mean library is passed over: {}", std::string(info.status().message()));
      }
    }
    return error ? Unusable(folder, absl::StrCat("cannot be read: ", error.message())) : absl::OkStatus();
  }
};

std::string PlaceIn(const absl::Status& status) {
  return std::string(status.GetPayload(kPlacePayload).value_or(absl::Cord()));
}

absl::StatusOr<std::unique_ptr<MeanStore>> MeanStore::Open(const std::string& folder) {
  return Open(MeanStoreOptions{.folder = folder});
}

absl::StatusOr<std::unique_ptr<MeanStore>> MeanStore::Open(const MeanStoreOptions& options) {
  auto impl = std::make_shared<Impl>();
  impl->options = options;
  if (!options.folder.empty()) {
    if (!options.make_later) {
      const std::error_code error = impl->MakeFolder();
      if (error) return Unusable(options.folder, absl::StrCat("cannot be made: ", error.message()));
    }
    std::error_code error;
    const fs::file_status facts = fs::status(options.folder, error);
    if (fs::exists(facts) && !fs::is_directory(facts)) return Unusable(options.folder, "is no folder");
    if (!options.make_later && access(options.folder.c_str(), R_OK | X_OK) != 0) {
      return Unusable(options.folder, absl::StrCat("cannot be read: ", std::system_category().message(errno)));
    }
    RemoveLeftovers(options.folder);
  }
  return std::unique_ptr<MeanStore>(new MeanStore(std::move(impl)));
}

absl::StatusOr<std::unique_ptr<MeanStore>> MeanStore::OpenTenant(const std::string& tenant) const {
  MeanStoreOptions options = impl_->options;
  // In a folder between, so that no library of ours can have a tenant's name.
  if (!options.folder.empty()) options.folder = (fs::path(options.folder) / "tenants" / tenant).string();
  options.make_later = true;
  auto store = Open(options);
  if (store.ok()) (*store)->impl_->cache = impl_->cache;
  return store;
}

absl::StatusOr<std::shared_ptr<const MeanLibrary>> MeanStore::Get(absl::string_view id) const {
  const auto path = impl_->Find(id);
  const auto stamp = path.has_value() ? StampOfFile(*path) : std::nullopt;
  if (!stamp.has_value()) return NotFound(id);
  if (auto library = impl_->cache->Find(*path, *stamp); library != nullptr) return library;
  auto library = ReadLibrary(*path, id);
  if (absl::IsNotFound(library.status())) return NotFound(id);
  if (!library.ok()) return library.status();
  impl_->cache->Keep(*path, *stamp, *library);
  return library;
}

absl::StatusOr<std::vector<pb::MeanLibrary>> MeanStore::List() const {
  std::map<std::string, pb::MeanLibrary> found;
  for (const std::string& folder : {impl_->options.folder, impl_->options.companions}) {
    if (folder.empty()) continue;
    const absl::Status status = impl_->List(folder, found);
    if (!status.ok()) return status;
  }
  std::vector<pb::MeanLibrary> libraries;
  libraries.reserve(found.size());
  for (auto& [id, info] : found) libraries.push_back(std::move(info));
  return libraries;
}

absl::StatusOr<pb::MeanLibrary> MeanStore::Put(std::shared_ptr<const MeanLibrary> library) {
  absl::Status status = CheckWritable();
  if (!status.ok()) return status;
  const auto file = MeanFile::Make(library);
  if (!file.ok()) return file.status();
  const std::string id = library->info.id();
  absl::MutexLock lock(&impl_->put_mu);
  if (const auto there = Get(id); there.ok()) return (*there)->info;
  const std::string path = Impl::PathIn(impl_->options.folder, id);
  status = WriteDurably(path, [&file](int64_t offset) { return file->Read(offset, kPieceBytes); });
  if (!status.ok()) return Failed(status.code(), "the mean library cannot be stored", status);
  // Not what another process may have put there since: the same means, but perhaps another name.
  pb::MeanLibrary info = library->info;
  info.set_size_bytes(file->size_bytes());
  return info;
}

absl::Status MeanStore::Delete(absl::string_view id) {
  const auto path = impl_->Find(id);
  if (!path.has_value()) return NotFound(id);
  if (impl_->options.folder.empty() || *path != Impl::PathIn(impl_->options.folder, id)) {
    return absl::PermissionDeniedError(
        absl::StrCat("the mean library `", id, "` came with the model and is not deleted"));
  }
  impl_->cache->Forget(*path);
  std::error_code error;
  if (!fs::remove(*path, error) && !error) return NotFound(id);
  if (error) {
    return ErrorAt(absl::StatusCode::kFailedPrecondition, absl::StrCat("the mean library `", id, "` cannot be deleted"),
                   " from " + *path, absl::StrCat(": ", error.message()));
  }
  return absl::OkStatus();
}

absl::Status MeanStore::CheckWritable() const {
  constexpr char kWayOut[] = "start ablated with --means-dir DIR, a folder that it may write to";
  const std::string& folder = impl_->options.folder;
  if (folder.empty()) {
    return absl::FailedPreconditionError(absl::StrCat("this server keeps no mean libraries: ", kWayOut));
  }
  const std::error_code error = impl_->MakeFolder();
  if (error) return Unusable(folder, absl::StrCat("cannot be made: ", error.message(), "; ", kWayOut));
  if (access(folder.c_str(), W_OK | X_OK) == 0) return absl::OkStatus();
  return Unusable(folder, absl::StrCat("cannot be written to: ", std::system_category().message(errno), "; ", kWayOut));
}

}  // namespace ablate
