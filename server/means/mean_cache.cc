#include "server/means/mean_cache.h"

#include <iterator>
#include <utility>

namespace ablate {
namespace {

constexpr size_t kMostCached = 4;

}  // namespace

std::shared_ptr<const MeanLibrary> MeanCache::Find(const std::string& path, const FileStamp& stamp) {
  absl::MutexLock lock(&mu_);
  for (auto it = cached_.begin(); it != cached_.end(); ++it) {
    if (it->path != path || it->stamp != stamp) continue;
    cached_.splice(cached_.begin(), cached_, it);
    return cached_.front().library;
  }
  return nullptr;
}

void MeanCache::Keep(std::string path, const FileStamp& stamp, std::shared_ptr<const MeanLibrary> library) {
  absl::MutexLock lock(&mu_);
  cached_.remove_if([&](const Cached& other) { return other.path == path; });
  cached_.push_front({.path = std::move(path), .stamp = stamp, .library = std::move(library)});
  // Large ones do not add up: beside the newest, as many as fit in what one library may take.
  int64_t bytes = 0;
  size_t n = 0;
  for (auto it = cached_.begin(); it != cached_.end();) {
    bytes += it->stamp.size;
    it = n > 0 && (n >= kMostCached || bytes > kMaxMeanBytes) ? cached_.erase(it) : std::next(it);
    ++n;
  }
}

void MeanCache::Forget(const std::string& path) {
  absl::MutexLock lock(&mu_);
  cached_.remove_if([&](const Cached& other) { return other.path == path; });
}

}  // namespace ablate
