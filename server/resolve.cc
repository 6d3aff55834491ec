#include "server/resolve.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "server/errors.h"
#include "server/quote.h"

namespace ablate {
namespace {

namespace pb = ::ablation::v1;

absl::Status CheckId(int32_t id, const Engine& engine, const std::string& field) {
  const int32_t vocab_size = engine.Describe().vocab_size;
  if (id >= 0 && id < vocab_size) return absl::OkStatus();
  return BadField(field, "TOKEN_ID_OUT_OF_RANGE",
                  absl::StrCat("got id ", id, ", expected 0 .. ", vocab_size - 1, " (the model's vocabulary)"));
}

// `" Ger" (5706), "many" (88)`: at most eight.
std::string ListTokens(absl::Span<const int32_t> ids, const Tokenizer& tokenizer) {
  constexpr size_t kMost = 8;
  std::string list;
  for (size_t i = 0; i < std::min(ids.size(), kMost); ++i) {
    absl::StrAppend(&list, i == 0 ? "" : ", ", Quoted(tokenizer.TokenText(ids[i])), " (", ids[i], ")");
  }
  if (ids.size() > kMost) absl::StrAppend(&list, ", and ", ids.size() - kMost, " more");
  return list;
}

absl::StatusOr<std::vector<int32_t>> Encode(const std::string& text, const Engine& engine, const std::string& field) {
  auto ids = engine.tokenizer().Encode(text);
  if (!ids.ok()) return BadField(field, "TEXT_NOT_TOKENIZABLE", ids.status().message());
  return ids;
}

absl::StatusOr<std::vector<int32_t>> PromptIds(const pb::Prompt& prompt, const Engine& engine,
                                               const std::string& field) {
  switch (prompt.input_case()) {
    case pb::Prompt::kText:
      return Encode(prompt.text(), engine, absl::StrCat(field, ".text"));
    case pb::Prompt::kTokenIds: {
      const auto& ids = prompt.token_ids().ids();
      for (int i = 0; i < ids.size(); ++i) {
        const absl::Status status = CheckId(ids[i], engine, absl::StrCat(field, ".token_ids.ids[", i, "]"));
        if (!status.ok()) return status;
      }
      return std::vector<int32_t>(ids.begin(), ids.end());
    }
    case pb::Prompt::INPUT_NOT_SET:
      break;
  }
  return BadField(field, "PROMPT_MISSING", "neither `text` nor `token_ids` is set, expected one of them");
}

}  // namespace

absl::StatusOr<std::vector<int32_t>> ResolvePrompt(const pb::Prompt& prompt, bool prepend_bos, const Engine& engine,
                                                   const std::string& field) {
  auto ids = PromptIds(prompt, engine, field);
  if (!ids.ok()) return ids.status();
  const std::string input = absl::StrCat(field, prompt.has_token_ids() ? ".token_ids" : ".text");
  if (prepend_bos) {
    const int32_t bos = engine.Describe().bos_token_id;
    if (bos < 0) return BadField("prepend_bos", "NO_BOS_TOKEN", "the model's vocabulary has no `<|endoftext|>`");
    ids->insert(ids->begin(), bos);
  }
  if (ids->empty()) return BadField(input, "PROMPT_EMPTY", "the prompt is empty, expected at least one token");
  const auto n_positions = static_cast<size_t>(engine.Describe().n_positions);
  if (ids->size() > n_positions) {
    return BadField(input, "PROMPT_TOO_LONG",
                    absl::StrCat("the prompt has ", ids->size(), " tokens", prepend_bos ? " with BOS" : "",
                                 ", expected at most ", n_positions, " (the model's n_positions)"));
  }
  return ids;
}

absl::StatusOr<int32_t> ResolveToken(const pb::TokenRef& ref, const Engine& engine, const std::string& field) {
  switch (ref.ref_case()) {
    case pb::TokenRef::kId: {
      const absl::Status status = CheckId(ref.id(), engine, absl::StrCat(field, ".id"));
      if (!status.ok()) return status;
      return ref.id();
    }
    case pb::TokenRef::kText: {
      const std::string path = absl::StrCat(field, ".text");
      if (ref.text().empty()) return BadField(path, "TOKEN_TEXT_EMPTY", "the text is empty, expected one token");
      auto ids = Encode(ref.text(), engine, path);
      if (!ids.ok()) return ids.status();
      if (ids->size() == 1) return ids->front();
      return BadField(path, "NOT_ONE_TOKEN",
                      absl::StrCat(Quoted(ref.text()), " is ", ids->size(),
                                   " tokens, expected exactly one: ", ListTokens(*ids, engine.tokenizer())));
    }
    case pb::TokenRef::REF_NOT_SET:
      break;
  }
  return BadField(field, "TOKEN_MISSING", "neither `text` nor `id` is set, expected one of them");
}

std::vector<std::string> PromptWarnings(const pb::Prompt& prompt) {
  std::vector<std::string> warnings;
  if (absl::EndsWith(prompt.text(), " ")) {
    warnings.push_back(
        "the prompt ends in a space; the model's words carry their leading space, so that the token after a space is "
        "rarely the one that is meant");
  }
  const auto check = [&warnings](absl::string_view name, const pb::TokenRef& ref) {
    if (!ref.has_text() || absl::StartsWith(ref.text(), " ")) return;
    warnings.push_back(absl::StrCat("the ", name, " ", Quoted(ref.text()),
                                    " has no leading space; in running text the token is usually ",
                                    Quoted(absl::StrCat(" ", ref.text()))));
  };
  if (prompt.has_target()) check("target", prompt.target());
  if (prompt.has_contrast()) check("contrast", prompt.contrast());
  return warnings;
}

}  // namespace ablate
