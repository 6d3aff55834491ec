// From the engine's values to the contract's messages.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ablation/v1/model.pb.h"
#include "ablation/v1/scan.pb.h"
#include "absl/status/statusor.h"
#include "engine/engine.h"
#include "server/prepare.h"

namespace ablate {

ablation::v1::Token MakeToken(int32_t id, const Tokenizer& tokenizer);
ablation::v1::ModelInfo MakeModelInfo(const EngineInfo& info, const std::string& name);
ablation::v1::RuntimeInfo MakeRuntimeInfo(const EngineInfo& info, const RequestLimits& limits);

// What the manifest tells of the request itself: all but model and runtime.
void FillManifest(const ablation::v1::AblateRequest& request, const PreparedRequest& prepared,
                  ablation::v1::Manifest& manifest);
ablation::v1::Variant MakeVariant(const Variant& variant);
ablation::v1::ResolvedPrompt MakeResolvedPrompt(const ablation::v1::Prompt& prompt, const PreparedPrompt& prepared,
                                                const Tokenizer& tokenizer);

// Bytes that one row takes in a message, at most, rounded up: what buffers are counted in.
int64_t RowBytes(int32_t top_k);

// The block's rows as messages of at most about 256 KiB each, so that none exceeds what clients accept by default.
// InvalidArgument where the engine's columns differ in length.
absl::StatusOr<std::vector<ablation::v1::RowBlock>> MakeRowBlocks(const ReadoutBlock& block, int32_t prompt_index,
                                                                  const Tokenizer& tokenizer);

}  // namespace ablate
