#include "client/cpp/cli/tokenizer_check.h"

#include "client/cpp/cli/option_error.h"

namespace ablate::cli {

absl::Status CheckTokenizer(const std::string& owner, Session& session) {
  if (owner.empty()) return absl::OkStatus();
  const auto served = session.client().Describe(session.call());
  if (!served.ok()) return served.status();
  const auto& model = served->model();
  if (owner == model.name() || owner == model.tokenizer_sha256()) return absl::OkStatus();
  return OptionError("--tokenizer-of ", owner, ": the server holds ", model.name(), ", whose tokenizer (SHA-256 ",
                     model.tokenizer_sha256(),
                     ") need not give tokens the same ids; give the answers as texts in columns "
                     "`target` and `contrast`, or, where the tokenizers are equal, say --tokenizer-of ",
                     model.name());
}

}  // namespace ablate::cli
