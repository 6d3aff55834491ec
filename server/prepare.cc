#include "server/prepare.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "engine/plan/sweep.h"
#include "engine/types.h"
#include "server/errors.h"
#include "server/resolve.h"
#include "server/unknown_fields.h"

namespace ablate {
namespace {

namespace pb = ::ablation::v1;

constexpr int kMaxPrompts = 100'000;

absl::Status CheckFilter(const google::protobuf::RepeatedField<int32_t>& values, int32_t limit, absl::string_view what,
                         const std::string& field) {
  absl::flat_hash_set<int32_t> seen;
  for (int i = 0; i < values.size(); ++i) {
    const std::string path = absl::StrCat(field, "[", i, "]");
    if (values[i] < 0 || values[i] >= limit) {
      return BadField(path, "SITE_OUT_OF_RANGE",
                      absl::StrCat("got ", what, " ", values[i], ", expected 0 .. ", limit - 1));
    }
    if (!seen.insert(values[i]).second) {
      return BadField(path, "SITE_REPEATED", absl::StrCat(what, " ", values[i], " is named twice, expected once"));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Variant>> Sweep(const pb::AblateRequest& request, const EngineInfo& info) {
  if (request.has_sweep() && !request.sweep().has_heads()) {
    return BadField("sweep", "SWEEP_MISSING", "no kind of sweep is set, expected `heads`");
  }
  const pb::HeadsSweep& heads = request.sweep().heads();
  absl::Status status = CheckFilter(heads.layers(), info.n_layers, "layer", "sweep.heads.layers");
  if (!status.ok()) return status;
  status = CheckFilter(heads.heads(), info.n_heads, "head", "sweep.heads.heads");
  if (!status.ok()) return status;
  auto variants = MakeVariants(HeadsSweep{.layers = {heads.layers().begin(), heads.layers().end()},
                                          .heads = {heads.heads().begin(), heads.heads().end()}},
                               info.n_layers, info.n_heads);
  if (!variants.ok()) return BadField("sweep.heads", "SWEEP_INVALID", variants.status().message());
  return variants;
}

absl::Status CheckShape(const pb::AblateRequest& request) {
  if (request.prompts().empty() || request.prompts_size() > kMaxPrompts) {
    return BadField("prompts", "PROMPT_COUNT_OUT_OF_RANGE",
                    absl::StrCat("got ", request.prompts_size(), " prompts, expected 1 .. ", kMaxPrompts));
  }
  if (request.replacements_size() > 1) {
    return BadField("replacements", "TOO_MANY_REPLACEMENTS",
                    absl::StrCat("got ", request.replacements_size(), " replacements, expected at most one"));
  }
  if (request.replacements_size() == 1 && !request.replacements(0).has_zero()) {
    return BadField("replacements[0]", "REPLACEMENT_MISSING", "no kind of replacement is set, expected `zero`");
  }
  const int32_t top_k = request.readout().top_k();
  if (top_k < 0 || top_k > kMaxTopK) {
    return BadField("readout.top_k", "TOP_K_OUT_OF_RANGE", absl::StrCat("got ", top_k, ", expected 0 .. ", kMaxTopK));
  }
  return absl::OkStatus();
}

absl::StatusOr<PreparedPrompt> PreparePrompt(const pb::Prompt& prompt, bool prepend_bos, const Engine& engine,
                                             const std::string& field) {
  PreparedPrompt prepared;
  auto ids = ResolvePrompt(prompt, prepend_bos, engine, field);
  if (!ids.ok()) return ids.status();
  prepared.token_ids = *std::move(ids);
  if (prompt.has_target()) {
    auto target = ResolveToken(prompt.target(), engine, absl::StrCat(field, ".target"));
    if (!target.ok()) return target.status();
    prepared.target_id = *target;
  }
  if (prompt.has_contrast()) {
    auto contrast = ResolveToken(prompt.contrast(), engine, absl::StrCat(field, ".contrast"));
    if (!contrast.ok()) return contrast.status();
    prepared.contrast_id = *contrast;
  }
  return prepared;
}

// A scan's cost depends on its length only, since all prompts of a request share their variants.
absl::Status Price(PreparedRequest& request, const Engine& engine, int64_t max_request_cost) {
  absl::flat_hash_map<size_t, int64_t> cost_of_length;
  for (size_t i = 0; i < request.prompts.size(); ++i) {
    PreparedPrompt& prompt = request.prompts[i];
    const auto [known, is_new] = cost_of_length.try_emplace(prompt.token_ids.size(), 0);
    if (is_new) {
      const Scan scan = request.MakeScan(i);
      const absl::Status valid = engine.Validate(scan);
      if (!valid.ok()) return BadField(absl::StrCat("prompts[", i, "]"), "SCAN_INVALID", valid.message());
      const auto cost = engine.Cost(scan);
      if (!cost.ok()) return cost.status();
      known->second = *cost;
    }
    prompt.cost = known->second;
    request.cost += prompt.cost;
  }
  return request.cost > max_request_cost ? TooCostly(request.cost, max_request_cost) : absl::OkStatus();
}

}  // namespace

Scan PreparedRequest::MakeScan(size_t prompt) const {
  const PreparedPrompt& from = prompts[prompt];
  Scan scan;
  scan.token_ids = from.token_ids;
  scan.variants = variants;
  scan.read_positions = {static_cast<int32_t>(from.token_ids.size()) - 1};
  scan.target_id = from.target_id;
  scan.contrast_id = from.contrast_id;
  scan.top_k = top_k;
  return scan;
}

absl::StatusOr<PreparedRequest> Prepare(const pb::AblateRequest& request, const Engine& engine,
                                        const RequestLimits& limits, const std::function<absl::Status()>& go_on) {
  absl::Status status = RefuseUnknownFields(request);
  if (!status.ok()) return status;
  status = CheckShape(request);
  if (!status.ok()) return status;
  auto variants = Sweep(request, engine.Describe());
  if (!variants.ok()) return variants.status();

  PreparedRequest prepared;
  prepared.variants = *std::move(variants);
  prepared.top_k = request.readout().top_k();
  if (prepared.top_k > engine.Describe().vocab_size) {
    return BadField("readout.top_k", "TOP_K_OUT_OF_RANGE",
                    absl::StrCat("got ", prepared.top_k, ", expected at most the vocabulary's ",
                                 engine.Describe().vocab_size, " tokens"));
  }
  prepared.prompts.reserve(static_cast<size_t>(request.prompts_size()));
  int64_t n_tokens = 0;
  for (int i = 0; i < request.prompts_size(); ++i) {
    status = go_on();
    if (!status.ok()) return status;
    auto prompt = PreparePrompt(request.prompts(i), request.prepend_bos(), engine, absl::StrCat("prompts[", i, "]"));
    if (!prompt.ok()) return prompt.status();
    n_tokens += static_cast<int64_t>(prompt->token_ids.size());
    if (n_tokens > limits.tokens) return TooManyTokens("prompts", i, limits.tokens);
    prepared.prompts.push_back(*std::move(prompt));
  }
  status = Price(prepared, engine, limits.cost);
  if (!status.ok()) return status;
  return prepared;
}

}  // namespace ablate
