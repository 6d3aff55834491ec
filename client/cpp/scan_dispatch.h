// Hands a checked stream's parts on, the manifest once it is whole.
#pragma once

#include <utility>

#include "ablation/v1/scan.pb.h"
#include "absl/status/status.h"
#include "client/cpp/client.h"

namespace ablate::client {

class ScanDispatch {
 public:
  // Borrows the handlers.
  explicit ScanDispatch(const ScanHandlers* handlers) : handlers_(handlers) {}

  // What it takes has passed StreamCheck. An error of a handler's.
  absl::Status Take(v1::AblateResponse& response);

  // Whether on_manifest was called.
  bool has_manifest() const { return has_manifest_; }
  v1::Completion TakeCompletion() { return std::move(completion_); }

 private:
  const ScanHandlers* const handlers_;
  ScanManifest manifest_;
  bool has_manifest_ = false;
  v1::Completion completion_;
};

}  // namespace ablate::client
