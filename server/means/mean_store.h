// The mean libraries that a server keeps, one file each.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/means/mean_library.h"

namespace ablate {

struct MeanStoreOptions {
  // Where libraries are put, and deleted from. Empty: nowhere, and only the companions are there.
  std::string folder = {};
  // Make a missing folder when the first library is put, not at Open.
  bool make_later = false;
  // A folder of libraries that came with the model: they are read and never written. May be missing. Empty: none.
  std::string companions = {};
};

// The part of a MeanStore's message that says where on this machine something is, which clients on others need not
// know; empty where there is none.
std::string PlaceIn(const absl::Status& status);

// Libraries in a folder, as <id>.safetensors. A file appears whole or not at all, and survives a crash once Put has
// returned. Thread-safe; several processes may share a folder.
class MeanStore {
 public:
  // Creates the folder where it is missing; one that cannot be written to is read all the same. FailedPrecondition
  // where it cannot be made or read.
  static absl::StatusOr<std::unique_ptr<MeanStore>> Open(const std::string& folder);
  static absl::StatusOr<std::unique_ptr<MeanStore>> Open(const MeanStoreOptions& options);

  // A store of the tenant's own in `tenants/TENANT` of the folder, which is made when the first library is put. The
  // same companions are there, and both share what is kept in memory. `tenant` must be fit for a folder's name.
  absl::StatusOr<std::unique_ptr<MeanStore>> OpenTenant(const std::string& tenant) const;

  // NotFound where there is none of this id, DataLoss where its file is damaged. The last few are kept in memory.
  absl::StatusOr<std::shared_ptr<const MeanLibrary>> Get(absl::string_view id) const;
  // All of them, by id, without their arrays. Damaged files are passed over with a warning in the log.
  absl::StatusOr<std::vector<ablation::v1::MeanLibrary>> List() const;
  // Stores a library; one of its id that is there already stays as it is, unless its file is damaged. Returns the info
  // of the one that is there now, with its size filled in. FailedPrecondition where the store has no folder, or it
  // cannot be written to; InvalidArgument where CheckMeanLibrary refuses the library.
  absl::StatusOr<ablation::v1::MeanLibrary> Put(std::shared_ptr<const MeanLibrary> library);
  // NotFound where there is none, PermissionDenied where it came with the model.
  absl::Status Delete(absl::string_view id);

  // Whether Put can succeed: FailedPrecondition, as Put would say, where the store has no folder or may not write to
  // it.
  absl::Status CheckWritable() const;

 private:
  struct Impl;
  explicit MeanStore(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
  std::shared_ptr<Impl> impl_;
};

}  // namespace ablate
