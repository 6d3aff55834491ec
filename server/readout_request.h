// What a request measures, and what it wants to know about all prompts together.
#pragma once

#include "ablation/v1/scan.pb.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/engine.h"
#include "server/prepare.h"

namespace ablate {

// The readout with its defaults filled in, but without the primary metric, which depends on the prompts' answers.
// BadField names what is out of range, and what does not go together.
absl::StatusOr<PreparedReadout> CheckReadout(const ablation::v1::AblateRequest& request, const EngineInfo& info);

// The ranges of the request's summary, where it asks for one.
absl::Status CheckSummary(const ablation::v1::AblateRequest& request);

// The readout's mode, where single is the default.
ablation::v1::TargetMode TargetModeOf(const ablation::v1::AblateRequest& request);

// The metric that these prompts allow; `request` tells the reduction.
PrimaryMetric PrimaryMetricOf(const ablation::v1::AblateRequest& request, absl::Span<const PreparedPrompt> prompts);

// What the request needs of every prompt: answers for effects, for a summary and for an order of sites; of a summary,
// prompts that read and edit alike. BadField names what asks for it and the first prompt that lacks it.
absl::Status CheckPromptsTogether(const ablation::v1::AblateRequest& request, const PreparedRequest& prepared);

}  // namespace ablate
