#include "server/convert.h"

#include <utility>
#include <vector>

#include "server/resolve.h"
#include "server/wire_rows.h"

namespace ablate {
namespace {

namespace pb = ::ablation::v1;

void AddTokens(const std::vector<int32_t>& ids, const Tokenizer& tokenizer,
               google::protobuf::RepeatedPtrField<pb::Token>& to) {
  to.Reserve(static_cast<int>(ids.size()));
  for (const int32_t id : ids) *to.Add() = MakeToken(id, tokenizer);
}

}  // namespace

pb::Token MakeToken(int32_t id, const Tokenizer& tokenizer) {
  pb::Token token;
  token.set_id(id);
  token.set_text(tokenizer.TokenText(id));
  token.set_raw(std::string(tokenizer.TokenBytes(id)));
  return token;
}

pb::ModelInfo MakeModelInfo(const EngineInfo& info, const std::string& name) {
  pb::ModelInfo model;
  model.set_name(name);
  model.set_n_layers(info.n_layers);
  model.set_n_heads(info.n_heads);
  model.set_d_model(info.d_model);
  model.set_d_head(info.d_head);
  model.set_d_mlp(info.d_mlp);
  model.set_vocab_size(info.vocab_size);
  model.set_n_positions(info.n_positions);
  model.set_n_parameters(info.n_parameters);
  model.set_layer_norm_epsilon(info.layer_norm_epsilon);
  if (info.bos_token_id >= 0) model.set_bos_token_id(info.bos_token_id);
  model.set_weights_sha256(info.weights_sha256);
  model.set_tokenizer_sha256(info.tokenizer_sha256);
  return model;
}

pb::Precision MakePrecision(Precision precision) {
  switch (precision) {
    case Precision::kFloat32:
      return pb::PRECISION_FLOAT32;
    case Precision::kFloat64:
      return pb::PRECISION_FLOAT64;
    case Precision::kTf32:
      return pb::PRECISION_TF32;
    case Precision::kBf16:
      return pb::PRECISION_BF16;
  }
  return pb::PRECISION_UNSPECIFIED;
}

pb::RuntimeInfo MakeRuntimeInfo(const EngineInfo& info, const RequestLimits& limits,
                                absl::Span<const NumericFloor> numeric_floor) {
  pb::RuntimeInfo runtime;
  runtime.set_engine_version(ABLATE_VERSION);
  runtime.set_device(info.device);
  runtime.set_device_name(info.device_name);
  runtime.set_precision(MakePrecision(info.precision));
  runtime.set_threads(info.threads);
  runtime.set_max_packed_tokens(info.max_packed_tokens);
  runtime.set_memory_budget_bytes(info.memory_budget_bytes);
  runtime.set_max_request_cost(limits.cost);
  runtime.set_max_request_tokens(limits.tokens);
  runtime.set_batch_invariant(info.batch_invariant);
  runtime.set_torch_version(info.torch_version);
  for (const NumericFloor& from : numeric_floor) {
    pb::NumericFloor& to = *runtime.add_numeric_floor();
    to.set_column(from.column);
    to.set_n_tokens(from.n_tokens);
    to.set_floor(from.floor);
  }
  return runtime;
}

void FillTiming(const EngineUse& use, pb::Timing& timing) {
  timing.set_plan_ns(use.plan_ns);
  timing.set_forward_ns(use.forward_ns);
  timing.set_readout_ns(use.readout_ns);
  timing.set_forward_passes(use.forward_passes);
  timing.set_peak_bytes(use.peak_bytes);
}

void FillManifest(const pb::AblateRequest& request, const PreparedRequest& prepared, pb::Manifest& manifest) {
  *manifest.mutable_replacements() = request.replacements();
  if (manifest.replacements().empty()) manifest.add_replacements()->mutable_zero();
  manifest.set_n_prompts(static_cast<int32_t>(prepared.prompts.size()));
  manifest.set_n_variants(static_cast<int32_t>(prepared.variants.size()));
  manifest.set_total_rows(prepared.total_rows());
  *manifest.mutable_sweep() = request.sweep();
  if (request.sweep().kind_case() == pb::Sweep::KIND_NOT_SET) manifest.mutable_sweep()->mutable_heads();
  *manifest.mutable_readout() = request.readout();
  *manifest.mutable_edit_positions() = request.edit_positions();
  manifest.set_prepend_bos(request.prepend_bos());
  manifest.set_primary_metric(std::string(PrimaryName(prepared.readout.primary)));
}

pb::Variant MakeVariant(const SiteSet& variant, ModelShape shape) {
  pb::Variant to;
  to.set_label(Label(variant.sites, shape));
  for (const Site& site : variant.sites) {
    pb::Site& added = *to.add_sites();
    added.set_layer(site.layer);
    added.set_head(site.head);
  }
  to.set_name(variant.name);
  if (variant.group >= 0) to.set_group(variant.group);
  to.set_is_random(variant.is_random);
  return to;
}

pb::ResolvedPrompt MakeResolvedPrompt(const pb::Prompt& prompt, const PreparedPrompt& prepared,
                                      const Tokenizer& tokenizer) {
  pb::ResolvedPrompt to;
  AddTokens(prepared.token_ids, tokenizer, *to.mutable_tokens());
  AddTokens(prepared.target_ids, tokenizer, *to.mutable_targets());
  AddTokens(prepared.contrast_ids, tokenizer, *to.mutable_contrasts());
  AddTokens(prepared.corrupted_ids, tokenizer, *to.mutable_corrupted_tokens());
  to.mutable_read_positions()->Assign(prepared.read_positions.begin(), prepared.read_positions.end());
  to.mutable_edit_positions()->Assign(prepared.edit_positions.begin(), prepared.edit_positions.end());
  to.set_template_(prepared.template_name);
  for (std::string& warning : PromptWarnings(prompt)) to.add_warnings(std::move(warning));
  return to;
}

}  // namespace ablate
