// The keys of a prompt in a data set, by the names that people give them.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "ablation/v1/scan.pb.h"
#include "absl/status/statusor.h"

namespace ablate::cli {

// Sets what `key` says of a prompt. False: the key means nothing to us. InvalidArgument names the key and what came. A
// key that says again what another has said (`prompt` and `clean`) is an error.
absl::StatusOr<bool> SetPromptField(const std::string& key, const nlohmann::json& value, ablation::v1::Prompt* prompt);

// Whether SetPromptField takes lists under this key, which CSV writes as JSON.
bool TakesList(const std::string& key);
bool IsPromptKey(const std::string& key);

// InvalidArgument where there is nothing to run.
absl::Status CheckHasInput(const ablation::v1::Prompt& prompt);

// 0 .. INT32_MAX. InvalidArgument names `key`.
absl::StatusOr<int32_t> ParseTokenId(const std::string& key, const nlohmann::json& value);

}  // namespace ablate::cli
