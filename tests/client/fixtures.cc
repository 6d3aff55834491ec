#include "tests/client/fixtures.h"

#include <array>
#include <string>
#include <utility>

namespace ablate::testing {

using ablation::v1::AblateResponse;
using ablation::v1::RowBlock;

client::ScanManifest MakeManifest(int n_prompts) {
  client::ScanManifest manifest;
  auto& head = manifest.head;
  head.mutable_model()->set_name("tiny");
  head.mutable_model()->set_n_layers(2);
  head.mutable_model()->set_n_heads(2);
  head.mutable_runtime()->set_engine_version("0.1.0");
  head.mutable_runtime()->set_device("cpu");
  head.mutable_runtime()->set_device_name("test");
  head.mutable_runtime()->set_precision(ablation::v1::PRECISION_FLOAT32);
  head.add_replacements()->mutable_zero();
  for (int layer = 0; layer < 2; ++layer) {
    for (int head_index = 0; head_index < 2; ++head_index) {
      auto& variant = manifest.variants.emplace_back();
      variant.set_label("L" + std::to_string(layer) + "H" + std::to_string(head_index));
      variant.add_sites()->set_layer(layer);
      variant.mutable_sites(0)->set_head(head_index);
    }
  }
  for (int p = 0; p < n_prompts; ++p) {
    auto& prompt = manifest.prompts.emplace_back();
    for (const auto& [id, text] : {std::pair(7, "Berlin"), std::pair(8, " is")}) {
      auto* token = prompt.add_tokens();
      token->set_id(id);
      token->set_text(text);
      token->set_raw(text);
    }
    prompt.mutable_target()->set_id(1);
    prompt.mutable_target()->set_text(" Germany");
    prompt.mutable_contrast()->set_id(2);
    prompt.mutable_contrast()->set_text(" France");
  }
  head.set_n_prompts(n_prompts);
  head.set_n_variants(manifest.n_variants());
  head.set_total_rows(n_prompts * 5);
  return manifest;
}

std::vector<AblateResponse> HeadMessages(const client::ScanManifest& manifest) {
  std::vector<AblateResponse> messages(2);
  *messages[0].mutable_manifest() = manifest.head;
  auto* variants = messages[1].mutable_variant_block();
  variants->mutable_variants()->Add(manifest.variants.begin(), manifest.variants.end());
  for (int p = 0; p < manifest.n_prompts(); ++p) {
    auto* block = messages.emplace_back().mutable_prompt_block();
    block->set_first_prompt_index(p);
    *block->add_prompts() = manifest.prompts[p];
  }
  return messages;
}

void DropTarget(ablation::v1::ResolvedPrompt* prompt) {
  prompt->clear_target();
  prompt->clear_contrast();
}

float DeltaTargetLogprob(int prompt, int variant) {
  constexpr std::array<float, 5> kDelta = {0, -0.1F, 0.25F, -1.5F, 0.05F};
  return kDelta.at(variant + 1) * static_cast<float>(1 + prompt);
}

RowBlock MakeBlock(const std::vector<RowId>& rows, int top_k, bool has_target) {
  RowBlock block;
  for (const RowId& row : rows) {
    const float delta = DeltaTargetLogprob(row.prompt, row.variant);
    const bool is_changed = row.variant == 2;
    block.add_prompt_index(row.prompt);
    block.add_variant(row.variant);
    block.add_position(1);
    if (has_target) {
      block.add_target_logit(10.0F + delta);
      block.add_contrast_logit(8.5F);
      block.add_logit_diff(1.5F + delta);
      block.add_target_logprob(-0.1F + delta);
      block.add_contrast_logprob(-1.6F);
      block.add_target_prob(0.9F);
      block.add_prob_diff(0.7F);
      block.add_delta_target_logit(delta);
      block.add_delta_contrast_logit(0);
      block.add_delta_logit_diff(delta);
      block.add_delta_target_logprob(delta);
      block.add_delta_contrast_logprob(delta / -2);
      block.add_delta_target_prob(0);
      block.add_delta_prob_diff(0);
      block.add_target_rank(is_changed ? 1 : 0);
      block.add_target_is_top1(!is_changed);
    }
    block.add_top1_id(is_changed ? 2 : 1);
    block.add_top1_preserved(!is_changed);
    block.add_kl_divergence(delta * delta);
    block.add_entropy(0.5F);
    for (int k = 0; k < top_k; ++k) {
      block.add_top_k_id(1 + k);
      block.add_top_k_logprob(-0.5F - static_cast<float>(k));
    }
  }
  for (const auto& [id, text] : {std::pair(1, " Germany"), std::pair(2, " \"France\", so"), std::pair(3, "x")}) {
    auto* token = block.add_tokens();
    token->set_id(id);
    token->set_text(text);
    token->set_raw(text);
  }
  return block;
}

}  // namespace ablate::testing
