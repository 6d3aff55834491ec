// Whether a data set's token ids mean what the server takes them for.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "client/cpp/cli/session.h"

namespace ablate::cli {

// `owner` is --tokenizer-of's value; empty: nothing is asked. InvalidArgument where the server's tokenizer is another
// one: ids of another tokenizer would measure other tokens without a word.
absl::Status CheckTokenizer(const std::string& owner, Session& session);

}  // namespace ablate::cli
