#include "server/means/means_request.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "server/convert.h"
#include "server/errors.h"
#include "server/means/mean_id.h"
#include "server/price.h"
#include "server/request_fields.h"
#include "server/resolve.h"
#include "server/unknown_fields.h"

namespace ablate {
namespace {

namespace pb = ::ablation::v1;

bool TakesClean(const pb::MeanOptions& options) {
  return options.source() != pb::MEAN_SOURCE_CORRUPTED;
}

bool TakesCorrupted(const pb::MeanOptions& options) {
  return options.source() != pb::MEAN_SOURCE_CLEAN;
}

// A prompt's token ids, as far as the options take them.
absl::StatusOr<MeanPrompt> ResolveMeanPrompt(const pb::Prompt& prompt, const pb::MeanOptions& options,
                                             const Engine& engine, const std::string& field) {
  MeanPrompt resolved;
  auto clean = ResolvePrompt(prompt, options.prepend_bos(), engine, field);
  if (!clean.ok()) return clean.status();
  if (TakesCorrupted(options)) {
    auto corrupted = ResolveCorrupted(prompt, options.prepend_bos(), engine, clean->size(), field);
    if (!corrupted.ok()) return corrupted.status();
    if (corrupted->empty()) {
      return BadField(field, "PAIR_MISSING",
                      "neither `corrupted_text` nor `corrupted_token_ids` is set, expected one of them, since "
                      "options.source takes the corrupted prompts");
    }
    resolved.corrupted_ids = *std::move(corrupted);
  }
  if (TakesClean(options)) resolved.clean_ids = *std::move(clean);
  if (!options.group_by_template()) return resolved;
  if (prompt.template_().empty()) {
    return BadField(absl::StrCat(field, ".template"), "TEMPLATE_MISSING",
                    "is empty, expected the prompt's template, since options.group_by_template is set");
  }
  resolved.template_name = prompt.template_();
  return resolved;
}

// Groups, in the order in which their templates come first.
class Groups {
 public:
  explicit Groups(pb::MeanLibrary* info) : info_(info) {}

  absl::StatusOr<int32_t> Of(const std::string& template_name, const std::string& field) {
    const auto [known, is_new] = index_.try_emplace(template_name, info_->templates_size());
    if (is_new) {
      info_->add_templates(template_name);
      bytes_ += static_cast<int64_t>(template_name.size());
      if (bytes_ > kMaxTemplateBytes) {
        return BadField(absl::StrCat(field, ".template"), "TEMPLATES_TOO_LONG",
                        absl::StrCat("the names of the templates have ", bytes_,
                                     " bytes with this one, expected at most ", kMaxTemplateBytes));
      }
    }
    return known->second;
  }

 private:
  pb::MeanLibrary* const info_;
  absl::flat_hash_map<std::string, int32_t> index_;
  int64_t bytes_ = 0;
};

void AddRun(PreparedMeans& means, PreparedRequest& runs, std::vector<int32_t> ids, int32_t group, int32_t prompt) {
  if (ids.empty()) return;
  const auto n_tokens = static_cast<int32_t>(ids.size());
  const auto& options = means.info.options();
  if (options.mode() == pb::MEAN_MODE_POSITIONWISE) {
    means.info.set_n_positions(std::max(means.info.n_positions(), n_tokens));
  }
  const int32_t first = options.include_first_position() ? 0 : 1;
  means.info.set_n_tokens(means.info.n_tokens() + n_tokens - first);
  means.group_of_run.push_back(group);
  means.prompt_of_run.push_back(prompt);
  PreparedPrompt run;
  run.token_ids = std::move(ids);
  run.read_positions = {n_tokens - 1};
  ScanUnit unit;
  unit.prompt = static_cast<int32_t>(runs.prompts.size());
  runs.prompts.push_back(std::move(run));
  runs.units.push_back(unit);
}

// A run's cost depends on its length only. The logits of its last position are computed though nobody wants them: each
// prompt is read somewhere.
absl::Status Price(PreparedRequest& runs, const PreparedMeans& means, const Engine& engine, int64_t max_cost) {
  absl::flat_hash_map<size_t, int64_t> cost_of_length;
  for (size_t i = 0; i < runs.units.size(); ++i) {
    const auto [known, is_new] = cost_of_length.try_emplace(runs.prompts[i].token_ids.size(), 0);
    if (is_new) {
      const Scan scan = runs.MakeScan(i);
      const absl::Status valid = engine.Validate(scan);
      if (!valid.ok()) {
        return BadField(absl::StrCat("prompts[", means.prompt_of_run[i], "]"), "SCAN_INVALID", valid.message());
      }
      const auto cost = engine.Cost(scan);
      if (!cost.ok()) return cost.status();
      known->second = *cost + ReadCost(engine.Describe(), static_cast<int64_t>(scan.read_positions.size()));
    }
    runs.units[i].cost = known->second;
    runs.cost += known->second;
  }
  return runs.cost > max_cost ? TooCostly(runs.cost, max_cost) : absl::OkStatus();
}

absl::Status SetSums(const EngineInfo& info, PreparedMeans& means) {
  const bool pooled = means.info.options().mode() == pb::MEAN_MODE_POOLED;
  const int32_t n_groups = means.info.templates_size();
  means.sums = {.n_layers = info.n_layers,
                .n_heads = info.n_heads,
                .d_head = info.d_head,
                .n_groups = n_groups,
                .n_positions = pooled ? 0 : means.info.n_positions(),
                .skips_first = !means.info.options().include_first_position()};
  means.bytes = MeanBytes(n_groups, means.info.n_positions(), info.n_layers, info.n_heads, info.d_head);
  if (means.bytes > kMaxMeanBytes) {
    return OverQuota(
        "MEANS_TOO_LARGE",
        absl::StrCat("the means of ", n_groups, " groups at ", means.info.n_positions(),
                     " positions have more than the ", kMaxMeanBytes,
                     " bytes that a library may have: pool them, or give fewer templates or shorter prompts"));
  }
  if (means.info.n_tokens() == 0) {
    return BadField("prompts", "NOTHING_TO_AVERAGE",
                    "all prompts have one token, and position 0 stays out of pooled means: set "
                    "options.include_first_position, or give longer prompts");
  }
  return absl::OkStatus();
}

absl::Status SetKeys(const EngineInfo& engine, const std::vector<MeanPrompt>& data, pb::MeanLibrary& info) {
  auto hash = HashMeanData(data);
  if (!hash.ok()) return hash.status();
  info.set_weights_sha256(engine.weights_sha256);
  info.set_data_sha256(*std::move(hash));
  info.set_precision(MakePrecision(engine.precision));
  auto id = MakeMeanLibraryId(info);
  if (!id.ok()) return id.status();
  info.set_id(*std::move(id));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<pb::MeanOptions> WithDefaults(const pb::MeanOptions& options) {
  pb::MeanOptions filled = options;
  if (!pb::MeanMode_IsValid(options.mode())) {
    return BadField("options.mode", "MODE_UNKNOWN",
                    absl::StrCat("got ", static_cast<int>(options.mode()), ", expected a MeanMode"));
  }
  if (!pb::MeanSource_IsValid(options.source())) {
    return BadField("options.source", "SOURCE_UNKNOWN",
                    absl::StrCat("got ", static_cast<int>(options.source()), ", expected a MeanSource"));
  }
  if (options.min_count() < 0) {
    return BadField("options.min_count", "MIN_COUNT_OUT_OF_RANGE",
                    absl::StrCat("got ", options.min_count(), ", expected 1 or more, or 0 for 1"));
  }
  if (options.mode() == pb::MEAN_MODE_UNSPECIFIED) filled.set_mode(pb::MEAN_MODE_POSITIONWISE);
  if (options.source() == pb::MEAN_SOURCE_UNSPECIFIED) filled.set_source(pb::MEAN_SOURCE_CLEAN);
  if (options.min_count() == 0) filled.set_min_count(1);
  // Position 0 has a mean of its own there: whether it was asked for makes no other library.
  if (filled.mode() == pb::MEAN_MODE_POSITIONWISE) filled.set_include_first_position(true);
  return filled;
}

absl::StatusOr<PreparedMeans> PrepareMeans(const pb::ComputeMeansRequest& request, const PrepareContext& context) {
  absl::Status status = RefuseUnknownFields(request);
  if (status.ok()) status = CheckDisplayName(request.display_name());
  if (status.ok()) status = CheckPromptCount(request.prompts_size());
  if (!status.ok()) return status;
  auto options = WithDefaults(request.options());
  if (!options.ok()) return options.status();

  const Engine& engine = *context.engine;
  PreparedMeans means;
  *means.info.mutable_options() = *std::move(options);
  means.info.set_display_name(request.display_name());
  means.info.set_n_prompts(request.prompts_size());
  means.info.set_n_positions(1);
  auto runs = std::make_shared<PreparedRequest>();
  runs->shape = {.n_layers = engine.Describe().n_layers, .n_heads = engine.Describe().n_heads};
  runs->replacements.emplace_back();
  runs->prepend_bos = means.info.options().prepend_bos();
  Groups groups(&means.info);
  std::vector<MeanPrompt> data;
  data.reserve(static_cast<size_t>(request.prompts_size()));
  int64_t n_tokens = 0;
  for (int i = 0; i < request.prompts_size(); ++i) {
    if (context.go_on) status = context.go_on();
    if (!status.ok()) return status;
    const std::string field = absl::StrCat("prompts[", i, "]");
    auto prompt = ResolveMeanPrompt(request.prompts(i), means.info.options(), engine, field);
    if (!prompt.ok()) return prompt.status();
    n_tokens += static_cast<int64_t>(prompt->clean_ids.size() + prompt->corrupted_ids.size());
    if (n_tokens > context.limits.tokens) return TooManyTokens("prompts", i, context.limits.tokens);
    const auto group = groups.Of(prompt->template_name, field);
    if (!group.ok()) return group.status();
    AddRun(means, *runs, prompt->clean_ids, *group, i);
    AddRun(means, *runs, prompt->corrupted_ids, *group, i);
    data.push_back(*std::move(prompt));
  }
  status = SetSums(engine.Describe(), means);
  if (status.ok()) status = Price(*runs, means, engine, context.limits.cost);
  if (status.ok()) status = SetKeys(engine.Describe(), data, means.info);
  if (!status.ok()) return status;
  means.runs = std::move(runs);
  return means;
}

}  // namespace ablate
