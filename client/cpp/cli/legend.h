// What the numbers in a row stand for.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "client/cpp/scan_manifest.h"

namespace ablate::cli {

// Immutable; copies share the manifest.
class Legend {
 public:
  explicit Legend(std::shared_ptr<const client::ScanManifest> manifest);

  const client::ScanManifest& manifest() const { return *manifest_; }
  // `baseline`, `corrupted`, or the variant's label, e.g. `L5H3`.
  std::string VariantLabel(int32_t variant) const;
  // The group's name where it has one, else the label; where all sites are edited rather than kept, `nothing`.
  std::string VariantTitle(int32_t variant) const;
  // `zero`, `mean`, ...; where the request has several of one kind, with what tells them apart: `scale(0.5)`,
  // `resample(noising)`, `mean(<id>)`. Of an unedited run (-1): empty.
  const std::string& Replacement(int32_t index) const;
  // Always with what tells it from others of its kind: `scale(0.5)`.
  std::string ReplacementInFull(int32_t index) const;
  int n_replacements() const { return static_cast<int>(replacements_.size()); }

 private:
  std::shared_ptr<const client::ScanManifest> manifest_;
  std::vector<std::string> replacements_;
  std::string none_;
};

}  // namespace ablate::cli
