// What a stream says before its rows: the manifest, then the variants and the prompts in blocks.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>

#include "ablation/v1/scan.pb.h"
#include "engine/model/tokenizer.h"
#include "server/prepare.h"

namespace ablate {

// Makes one message at a time, so that the prompts of a large request never stand in memory as messages all at once.
// Not thread-safe.
class ScanHead {
 public:
  // `request` and `tokenizer` are borrowed for as long as Next is called. `manifest` has the model, the runtime, the
  // cost and the selection, and lacks what only the request tells.
  ScanHead(ablation::v1::Manifest manifest, const ablation::v1::AblateRequest* request,
           std::shared_ptr<const PreparedRequest> prepared, const Tokenizer* tokenizer);

  // The next message; nothing after the last one.
  std::optional<ablation::v1::AblateResponse> Next();

 private:
  ablation::v1::AblateResponse NextVariants();
  ablation::v1::AblateResponse NextPrompts();

  std::optional<ablation::v1::Manifest> manifest_;
  const ablation::v1::AblateRequest* const request_;
  const std::shared_ptr<const PreparedRequest> prepared_;
  const Tokenizer* const tokenizer_;
  size_t next_variant_ = 0;
  size_t next_prompt_ = 0;
};

}  // namespace ablate
