#include "server/prompt_request.h"

#include <algorithm>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "server/errors.h"
#include "server/positions.h"
#include "server/quote.h"
#include "server/readout_request.h"
#include "server/resolve.h"

namespace ablate {
namespace {

namespace pb = ::ablation::v1;
using Refs = google::protobuf::RepeatedPtrField<pb::TokenRef>;

// What has been named as a target or a contrast of the prompt; an id may be named once.
using Seen = absl::flat_hash_set<int32_t>;

absl::StatusOr<std::vector<int32_t>> AnswerSet(const Refs& refs, pb::TargetMode mode, const Engine& engine,
                                               const std::string& field, Seen& seen) {
  std::vector<int32_t> ids;
  for (int i = 0; i < refs.size(); ++i) {
    const std::string path = absl::StrCat(field, "[", i, "]");
    auto id = ResolveAnswer(refs[i], mode, engine, path);
    if (!id.ok()) return id.status();
    if (!seen.insert(id->front()).second) {
      return BadField(path, "ANSWER_REPEATED",
                      absl::StrCat("token ", id->front(),
                                   " is named twice, expected each once among all targets and "
                                   "contrasts of a prompt"));
    }
    ids.push_back(id->front());
  }
  return ids;
}

absl::Status CheckCounts(const pb::Prompt& prompt, pb::TargetMode mode, const std::string& field) {
  const auto out_of_range = [&field](const char* list, int count, int least, int most) {
    return BadField(absl::StrCat(field, ".", list), "ANSWER_COUNT_OUT_OF_RANGE",
                    absl::StrCat("got ", count, " ", list, ", expected ", Between(least, most)));
  };
  const bool is_sequence = mode == pb::TARGET_MODE_SEQUENCE;
  const int least_targets = is_sequence ? 1 : 0;
  const int most = is_sequence ? 1 : kMaxAnswers;
  if (prompt.targets_size() < least_targets || prompt.targets_size() > most) {
    return out_of_range("targets", prompt.targets_size(), least_targets, most);
  }
  if (prompt.contrasts_size() > most) return out_of_range("contrasts", prompt.contrasts_size(), 0, most);
  return absl::OkStatus();
}

absl::Status PrepareSets(const pb::Prompt& prompt, pb::TargetMode mode, const Engine& engine, const std::string& field,
                         PreparedPrompt& prepared) {
  Seen seen;
  auto targets = AnswerSet(prompt.targets(), mode, engine, absl::StrCat(field, ".targets"), seen);
  if (!targets.ok()) return targets.status();
  prepared.target_ids = *std::move(targets);
  auto contrasts = AnswerSet(prompt.contrasts(), mode, engine, absl::StrCat(field, ".contrasts"), seen);
  if (!contrasts.ok()) return contrasts.status();
  prepared.contrast_ids = *std::move(contrasts);
  return absl::OkStatus();
}

// An answer's tokens behind the prompt, but for the last one, must fit into the model.
absl::StatusOr<std::vector<int32_t>> Sequence(const pb::TokenRef& ref, size_t n_tokens, const Engine& engine,
                                              const std::string& field) {
  auto ids = ResolveAnswer(ref, pb::TARGET_MODE_SEQUENCE, engine, field);
  if (!ids.ok()) return ids;
  const auto n_positions = static_cast<size_t>(engine.Describe().n_positions);
  if (n_tokens + ids->size() - 1 > n_positions) {
    return BadField(
        field, "SEQUENCE_TOO_LONG",
        absl::StrCat("the prompt has ", n_tokens, " tokens and this answer ", ids->size(), ", expected at most ",
                     n_positions + 1, " together (the model's n_positions, and one)"));
  }
  return ids;
}

absl::Status PrepareSequences(const pb::Prompt& prompt, const Engine& engine, const std::string& field,
                              PreparedPrompt& prepared) {
  const size_t n_tokens = prepared.token_ids.size();
  auto target = Sequence(prompt.targets(0), n_tokens, engine, absl::StrCat(field, ".targets[0]"));
  if (!target.ok()) return target.status();
  prepared.target_ids = *std::move(target);
  if (prompt.contrasts().empty()) return absl::OkStatus();
  auto contrast = Sequence(prompt.contrasts(0), n_tokens, engine, absl::StrCat(field, ".contrasts[0]"));
  if (!contrast.ok()) return contrast.status();
  prepared.contrast_ids = *std::move(contrast);
  if (prepared.contrast_ids != prepared.target_ids) return absl::OkStatus();
  return BadField(absl::StrCat(field, ".contrasts[0]"), "ANSWER_REPEATED",
                  "the contrast has the target's tokens, expected others");
}

absl::Status PrepareInput(const pb::AblateRequest& request, const pb::Prompt& prompt, const Engine& engine,
                          const std::string& field, PreparedPrompt& prepared) {
  auto ids = ResolvePrompt(prompt, request.prepend_bos(), engine, field);
  if (!ids.ok()) return ids.status();
  prepared.token_ids = *std::move(ids);
  auto corrupted = ResolveCorrupted(prompt, request.prepend_bos(), engine, prepared.token_ids.size(), field);
  if (!corrupted.ok()) return corrupted.status();
  prepared.corrupted_ids = *std::move(corrupted);
  if (!prepared.corrupted_ids.empty()) return absl::OkStatus();
  for (int r = 0; r < request.replacements_size(); ++r) {
    if (!request.replacements(r).has_resample()) continue;
    return BadField(field, "PAIR_MISSING",
                    absl::StrCat("neither `corrupted_text` nor `corrupted_token_ids` is set, expected one of them: "
                                 "replacements[",
                                 r, "] is `resample`"));
  }
  return absl::OkStatus();
}

absl::Status PreparePositions(const pb::AblateRequest& request, const std::string& field, PreparedPrompt& prepared) {
  const auto n_tokens = static_cast<int32_t>(prepared.token_ids.size());
  const pb::Readout& readout = request.readout();
  if (readout.all_positions()) {
    prepared.read_positions = AllPositions(n_tokens);
  } else if (readout.positions().positions().empty() && readout.positions().ranges().empty()) {
    prepared.read_positions = {n_tokens - 1};
  } else {
    auto read = ResolvePositions(readout.positions(), n_tokens, "readout.positions", field);
    if (!read.ok()) return read.status();
    prepared.read_positions = *std::move(read);
  }
  auto edited = ResolvePositions(request.edit_positions().positions(), n_tokens, "edit_positions.positions", field);
  if (!edited.ok()) return edited.status();
  if (request.edit_positions().each()) prepared.edit_positions = *std::move(edited);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<PreparedPrompt> PreparePrompt(const pb::AblateRequest& request, int index, const Engine& engine) {
  const pb::Prompt& prompt = request.prompts(index);
  const std::string field = absl::StrCat("prompts[", index, "]");
  const pb::TargetMode mode = TargetModeOf(request);
  PreparedPrompt prepared;
  prepared.template_name = prompt.template_();
  if (absl::Status status = PrepareInput(request, prompt, engine, field, prepared); !status.ok()) return status;
  if (absl::Status status = CheckCounts(prompt, mode, field); !status.ok()) return status;
  absl::Status status = mode == pb::TARGET_MODE_SEQUENCE ? PrepareSequences(prompt, engine, field, prepared)
                                                         : PrepareSets(prompt, mode, engine, field, prepared);
  if (!status.ok()) return status;
  if (request.readout().likelihood() && prepared.token_ids.size() < 2) {
    return BadField("readout.likelihood", "PROMPT_TOO_SHORT",
                    absl::StrCat(field, " has 1 token, expected at least 2: the first token is not predicted"));
  }
  if (status = PreparePositions(request, field, prepared); !status.ok()) return status;
  return prepared;
}

}  // namespace ablate
