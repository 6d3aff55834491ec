// From the engine's values to the contract's messages.
#pragma once

#include <cstdint>
#include <string>

#include "ablation/v1/model.pb.h"
#include "ablation/v1/scan.pb.h"
#include "absl/types/span.h"
#include "engine/engine.h"
#include "server/engine_use.h"
#include "server/prepare.h"
#include "server/verify/numeric_floor.h"

namespace ablate {

ablation::v1::Token MakeToken(int32_t id, const Tokenizer& tokenizer);
ablation::v1::ModelInfo MakeModelInfo(const EngineInfo& info, const std::string& name);
ablation::v1::Precision MakePrecision(Precision precision);
ablation::v1::RuntimeInfo MakeRuntimeInfo(const EngineInfo& info, const RequestLimits& limits,
                                          absl::Span<const NumericFloor> numeric_floor = {});

void FillTiming(const EngineUse& use, ablation::v1::Timing& timing);

// What the manifest tells of the request itself: all but model, runtime, cost and selection.
void FillManifest(const ablation::v1::AblateRequest& request, const PreparedRequest& prepared,
                  ablation::v1::Manifest& manifest);
ablation::v1::Variant MakeVariant(const SiteSet& variant, ModelShape shape);
ablation::v1::ResolvedPrompt MakeResolvedPrompt(const ablation::v1::Prompt& prompt, const PreparedPrompt& prepared,
                                                const Tokenizer& tokenizer);

}  // namespace ablate
