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

absl::StatusOr<std::vector<int32_t>> CheckedIds(const pb::TokenIds& token_ids, const Engine& engine,
                                                const std::string& field) {
  for (int i = 0; i < token_ids.ids_size(); ++i) {
    const absl::Status status = CheckId(token_ids.ids(i), engine, absl::StrCat(field, ".ids[", i, "]"));
    if (!status.ok()) return status;
  }
  return std::vector<int32_t>(token_ids.ids().begin(), token_ids.ids().end());
}

// `ids` with what goes in front of them, or what is wrong with `field`.
absl::StatusOr<std::vector<int32_t>> Completed(absl::StatusOr<std::vector<int32_t>> ids, bool prepend_bos,
                                               const Engine& engine, const std::string& field) {
  if (!ids.ok()) return ids;
  if (prepend_bos) {
    const int32_t bos = engine.Describe().bos_token_id;
    if (bos < 0) return BadField("prepend_bos", "NO_BOS_TOKEN", "the model's vocabulary has no `<|endoftext|>`");
    ids->insert(ids->begin(), bos);
  }
  if (ids->empty()) return BadField(field, "PROMPT_EMPTY", "the prompt is empty, expected at least one token");
  const auto n_positions = static_cast<size_t>(engine.Describe().n_positions);
  if (ids->size() > n_positions) {
    return BadField(field, "PROMPT_TOO_LONG",
                    absl::StrCat("the prompt has ", ids->size(), " tokens", prepend_bos ? " with BOS" : "",
                                 ", expected at most ", n_positions, " (the model's n_positions)"));
  }
  return ids;
}

// One warning for all of them: a set may have a thousand.
void WarnOfMissingSpace(absl::string_view name, const google::protobuf::RepeatedPtrField<pb::TokenRef>& refs,
                        std::vector<std::string>& warnings) {
  int others = -1;
  const std::string* first = nullptr;
  for (const pb::TokenRef& ref : refs) {
    if (!ref.has_text() || absl::StartsWith(ref.text(), " ")) continue;
    if (first == nullptr) first = &ref.text();
    ++others;
  }
  if (first == nullptr) return;
  warnings.push_back(
      absl::StrCat("the ", name, " ", Quoted(*first), others > 0 ? absl::StrCat(" (and ", others, " more)") : "",
                   " has no leading space; in running text the token is usually ", Quoted(absl::StrCat(" ", *first))));
}

}  // namespace

absl::StatusOr<std::vector<int32_t>> ResolvePrompt(const pb::Prompt& prompt, bool prepend_bos, const Engine& engine,
                                                   const std::string& field) {
  switch (prompt.input_case()) {
    case pb::Prompt::kText: {
      const std::string path = absl::StrCat(field, ".text");
      return Completed(Encode(prompt.text(), engine, path), prepend_bos, engine, path);
    }
    case pb::Prompt::kTokenIds: {
      const std::string path = absl::StrCat(field, ".token_ids");
      return Completed(CheckedIds(prompt.token_ids(), engine, path), prepend_bos, engine, path);
    }
    case pb::Prompt::INPUT_NOT_SET:
      break;
  }
  return BadField(field, "PROMPT_MISSING", "neither `text` nor `token_ids` is set, expected one of them");
}

absl::StatusOr<std::vector<int32_t>> ResolveCorrupted(const pb::Prompt& prompt, bool prepend_bos, const Engine& engine,
                                                      size_t n_tokens, const std::string& field) {
  absl::StatusOr<std::vector<int32_t>> ids;
  std::string path;
  switch (prompt.corrupted_input_case()) {
    case pb::Prompt::kCorruptedText:
      path = absl::StrCat(field, ".corrupted_text");
      ids = Completed(Encode(prompt.corrupted_text(), engine, path), prepend_bos, engine, path);
      break;
    case pb::Prompt::kCorruptedTokenIds:
      path = absl::StrCat(field, ".corrupted_token_ids");
      ids = Completed(CheckedIds(prompt.corrupted_token_ids(), engine, path), prepend_bos, engine, path);
      break;
    case pb::Prompt::CORRUPTED_INPUT_NOT_SET:
      return std::vector<int32_t>();
  }
  if (ids.ok() && ids->size() != n_tokens) {
    return BadField(path, "PAIR_UNEQUAL",
                    absl::StrCat("the corrupted prompt has ", ids->size(), " tokens", prepend_bos ? " with BOS" : "",
                                 ", expected as many as the clean one's ", n_tokens));
  }
  return ids;
}

absl::StatusOr<std::vector<int32_t>> ResolveAnswer(const pb::TokenRef& ref, pb::TargetMode mode, const Engine& engine,
                                                   const std::string& field) {
  switch (ref.ref_case()) {
    case pb::TokenRef::kId: {
      const absl::Status status = CheckId(ref.id(), engine, absl::StrCat(field, ".id"));
      if (!status.ok()) return status;
      return std::vector<int32_t>{ref.id()};
    }
    case pb::TokenRef::kText: {
      const std::string path = absl::StrCat(field, ".text");
      if (ref.text().empty()) return BadField(path, "TOKEN_TEXT_EMPTY", "the text is empty, expected one token");
      auto ids = Encode(ref.text(), engine, path);
      if (!ids.ok() || ids->size() == 1 || mode == pb::TARGET_MODE_SEQUENCE) return ids;
      if (mode == pb::TARGET_MODE_FIRST_TOKEN) return std::vector<int32_t>{ids->front()};
      return BadField(path, "NOT_ONE_TOKEN",
                      absl::StrCat(Quoted(ref.text()), " is ", ids->size(), " tokens, expected exactly one: ",
                                   ListTokens(*ids, engine.tokenizer()), "; `readout.target_mode` takes more"));
    }
    case pb::TokenRef::REF_NOT_SET:
      break;
  }
  return BadField(field, "TOKEN_MISSING", "neither `text` nor `id` is set, expected one of them");
}

std::vector<std::string> PromptWarnings(const pb::Prompt& prompt) {
  std::vector<std::string> warnings;
  const auto warn_of_space = [&warnings](absl::string_view name, absl::string_view text) {
    if (!absl::EndsWith(text, " ")) return;
    warnings.push_back(absl::StrCat("the ", name,
                                    " ends in a space; the model's words carry their leading space, so that the token "
                                    "after a space is rarely the one "
                                    "that is meant"));
  };
  warn_of_space("prompt", prompt.text());
  warn_of_space("corrupted prompt", prompt.corrupted_text());
  WarnOfMissingSpace("target", prompt.targets(), warnings);
  WarnOfMissingSpace("contrast", prompt.contrasts(), warnings);
  return warnings;
}

}  // namespace ablate
