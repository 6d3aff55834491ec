#include "server/convert.h"

#include <algorithm>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "server/resolve.h"

namespace ablate {
namespace {

namespace pb = ::ablation::v1;

pb::Precision MakePrecision(Precision precision) {
  switch (precision) {
    case Precision::kFloat32:
      return pb::PRECISION_FLOAT32;
    case Precision::kFloat64:
      return pb::PRECISION_FLOAT64;
  }
  return pb::PRECISION_UNSPECIFIED;
}

// Appends rows [begin, end) of `column`, with `width` entries a row, where the column is present.
template <typename Column, typename Field>
absl::Status AppendRows(const Column& column, absl::string_view name, size_t begin, size_t end, size_t rows,
                        size_t width, Field* field) {
  if (column.empty()) return absl::OkStatus();
  if (column.size() != rows * width) {
    return absl::InvalidArgumentError(
        absl::StrCat("column ", name, " has ", column.size(), " entries, expected ", rows * width));
  }
  field->Reserve(static_cast<int>((end - begin) * width));
  for (size_t i = begin * width; i < end * width; ++i) field->Add(column[i]);
  return absl::OkStatus();
}

void NameTokens(const Tokenizer& tokenizer, pb::RowBlock& block) {
  absl::flat_hash_set<int32_t> ids(block.top1_id().begin(), block.top1_id().end());
  ids.insert(block.top_k_id().begin(), block.top_k_id().end());
  std::vector<int32_t> sorted(ids.begin(), ids.end());
  std::sort(sorted.begin(), sorted.end());
  for (const int32_t id : sorted) *block.add_tokens() = MakeToken(id, tokenizer);
}

absl::Status Fill(const ReadoutBlock& from, size_t begin, size_t end, pb::RowBlock& to) {
  const size_t rows = from.variant.size();
  const size_t k = rows == 0 ? 0 : from.top_k_id.size() / rows;
  absl::Status status;
  const auto append = [&](const auto& column, absl::string_view name, size_t width, auto* field) {
    if (status.ok()) status = AppendRows(column, name, begin, end, rows, width, field);
  };
  append(from.variant, "variant", 1, to.mutable_variant());
  append(from.position, "position", 1, to.mutable_position());
  append(from.target_logit, "target_logit", 1, to.mutable_target_logit());
  append(from.contrast_logit, "contrast_logit", 1, to.mutable_contrast_logit());
  append(from.logit_diff, "logit_diff", 1, to.mutable_logit_diff());
  append(from.target_logprob, "target_logprob", 1, to.mutable_target_logprob());
  append(from.contrast_logprob, "contrast_logprob", 1, to.mutable_contrast_logprob());
  append(from.target_prob, "target_prob", 1, to.mutable_target_prob());
  append(from.prob_diff, "prob_diff", 1, to.mutable_prob_diff());
  append(from.delta_target_logit, "delta_target_logit", 1, to.mutable_delta_target_logit());
  append(from.delta_contrast_logit, "delta_contrast_logit", 1, to.mutable_delta_contrast_logit());
  append(from.delta_logit_diff, "delta_logit_diff", 1, to.mutable_delta_logit_diff());
  append(from.delta_target_logprob, "delta_target_logprob", 1, to.mutable_delta_target_logprob());
  append(from.delta_contrast_logprob, "delta_contrast_logprob", 1, to.mutable_delta_contrast_logprob());
  append(from.delta_target_prob, "delta_target_prob", 1, to.mutable_delta_target_prob());
  append(from.delta_prob_diff, "delta_prob_diff", 1, to.mutable_delta_prob_diff());
  append(from.target_rank, "target_rank", 1, to.mutable_target_rank());
  append(from.target_is_top1, "target_is_top1", 1, to.mutable_target_is_top1());
  append(from.top1_id, "top1_id", 1, to.mutable_top1_id());
  append(from.top1_preserved, "top1_preserved", 1, to.mutable_top1_preserved());
  append(from.kl_divergence, "kl_divergence", 1, to.mutable_kl_divergence());
  append(from.entropy, "entropy", 1, to.mutable_entropy());
  append(from.top_k_id, "top_k_id", k, to.mutable_top_k_id());
  append(from.top_k_logprob, "top_k_logprob", k, to.mutable_top_k_logprob());
  return status;
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

pb::RuntimeInfo MakeRuntimeInfo(const EngineInfo& info, const RequestLimits& limits) {
  pb::RuntimeInfo runtime;
  runtime.set_engine_version(ABLATE_VERSION);
  runtime.set_device(info.device);
  runtime.set_device_name(info.device_name);
  runtime.set_precision(MakePrecision(info.precision));
  runtime.set_threads(info.threads);
  runtime.set_max_packed_tokens(info.max_packed_tokens);
  runtime.set_max_request_cost(limits.cost);
  runtime.set_max_request_tokens(limits.tokens);
  runtime.set_batch_invariant(info.batch_invariant);
  runtime.set_torch_version(info.torch_version);
  return runtime;
}

void FillManifest(const pb::AblateRequest& request, const PreparedRequest& prepared, pb::Manifest& manifest) {
  *manifest.mutable_replacements() = request.replacements();
  if (manifest.replacements().empty()) manifest.add_replacements()->mutable_zero();
  manifest.set_n_prompts(static_cast<int32_t>(prepared.prompts.size()));
  manifest.set_n_variants(static_cast<int32_t>(prepared.variants.size()));
  manifest.set_total_rows(prepared.total_rows());
  manifest.set_cost(prepared.cost);
}

pb::Variant MakeVariant(const Variant& variant) {
  pb::Variant to;
  to.set_label(Label(variant));
  for (const Edit& edit : variant.edits) {
    auto* site = to.add_sites();
    site->set_layer(edit.site.layer);
    site->set_head(edit.site.head);
  }
  return to;
}

pb::ResolvedPrompt MakeResolvedPrompt(const pb::Prompt& prompt, const PreparedPrompt& prepared,
                                      const Tokenizer& tokenizer) {
  pb::ResolvedPrompt to;
  to.mutable_tokens()->Reserve(static_cast<int>(prepared.token_ids.size()));
  for (const int32_t id : prepared.token_ids) *to.add_tokens() = MakeToken(id, tokenizer);
  if (prepared.target_id >= 0) *to.mutable_target() = MakeToken(prepared.target_id, tokenizer);
  if (prepared.contrast_id >= 0) *to.mutable_contrast() = MakeToken(prepared.contrast_id, tokenizer);
  for (std::string& warning : PromptWarnings(prompt)) to.add_warnings(std::move(warning));
  return to;
}

int64_t RowBytes(int32_t top_k) {
  constexpr int64_t kColumns = 25, kBytesPerNumber = 8, kBytesPerToken = 64;
  return kColumns * kBytesPerNumber + kBytesPerToken + top_k * (2 * kBytesPerNumber + kBytesPerToken);
}

absl::StatusOr<std::vector<pb::RowBlock>> MakeRowBlocks(const ReadoutBlock& block, int32_t prompt_index,
                                                        const Tokenizer& tokenizer) {
  constexpr int64_t kMessageBytes = 256 * 1024;
  const size_t rows = block.variant.size();
  const auto top_k = static_cast<int32_t>(rows == 0 ? 0 : block.top_k_id.size() / rows);
  const auto rows_per_message = static_cast<size_t>(std::max<int64_t>(1, kMessageBytes / RowBytes(top_k)));
  std::vector<pb::RowBlock> messages;
  for (size_t begin = 0; begin < rows; begin += rows_per_message) {
    const size_t end = std::min(rows, begin + rows_per_message);
    pb::RowBlock& message = messages.emplace_back();
    message.mutable_prompt_index()->Resize(static_cast<int>(end - begin), prompt_index);
    absl::Status status = Fill(block, begin, end, message);
    if (!status.ok()) return status;
    NameTokens(tokenizer, message);
  }
  return messages;
}

}  // namespace ablate
