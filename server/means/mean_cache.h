// The mean libraries that were used last, in memory: of all stores of a server together, so that many tenants need no
// more.
#pragma once

#include <list>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "engine/files/file_stamp.h"
#include "server/means/mean_library.h"

namespace ablate {

// Thread-safe.
class MeanCache {
 public:
  // Null where the file is not kept, or another has taken its name.
  std::shared_ptr<const MeanLibrary> Find(const std::string& path, const FileStamp& stamp);
  void Keep(std::string path, const FileStamp& stamp, std::shared_ptr<const MeanLibrary> library);
  void Forget(const std::string& path);

 private:
  struct Cached {
    std::string path;
    FileStamp stamp;
    std::shared_ptr<const MeanLibrary> library;
  };

  absl::Mutex mu_;
  // The last used in front.
  std::list<Cached> cached_ ABSL_GUARDED_BY(mu_);
};

}  // namespace ablate
