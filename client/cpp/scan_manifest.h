// What a scan is, put together from the messages that a stream begins with.
#pragma once

#include <vector>

#include "ablation/v1/scan.pb.h"

namespace ablate::client {

struct ScanManifest {
  // Model, runtime, replacements, counts.
  ablation::v1::Manifest head;
  // [head.n_variants]; `RowBlock.variant` is an index into it; -1 is the baseline, -2 the pair's corrupted run.
  std::vector<ablation::v1::Variant> variants;
  // [head.n_prompts], parallel to the request's.
  std::vector<ablation::v1::ResolvedPrompt> prompts;

  int n_variants() const { return static_cast<int>(variants.size()); }
  int n_prompts() const { return static_cast<int>(prompts.size()); }
};

}  // namespace ablate::client
