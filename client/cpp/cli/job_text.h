// Jobs as text for people.
#pragma once

#include <string>
#include <vector>

#include "ablation/v1/jobs.pb.h"
#include "absl/status/status.h"

namespace ablate::cli {

// `queued`, `running`, ...; the enum's name in lower case without its prefix.
std::string StateName(ablation::v1::JobState state);
// Of all states but the unspecified one, in the contract's order.
std::vector<std::string> StateNames();
// Unspecified where there is none of this name.
ablation::v1::JobState StateOf(const std::string& name);

// A line a job under a heading; a sentence where there is none.
std::string JobTable(const std::vector<ablation::v1::Job>& jobs);
// A line a fact.
std::string JobDetails(const ablation::v1::Job& job);
// `running  12 of 40 prompts  about 3m left`: what changes while one waits.
std::string JobLine(const ablation::v1::Job& job);

// To the standard output. `format`: table (JobDetails), json or id.
absl::Status PrintJob(const ablation::v1::Job& job, const std::string& format);
absl::Status PrintText(const std::string& text);

}  // namespace ablate::cli
