#include "tests/client/fixtures.h"

#include <array>
#include <cmath>
#include <string>
#include <utility>

#include "client/cpp/row_space.h"

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
  head.mutable_sweep()->mutable_heads();
  head.set_primary_metric("logit_diff");
  SetVariants({{{0, 0}}, {{0, 1}}, {{1, 0}}, {{1, 1}}}, &manifest);
  for (int p = 0; p < n_prompts; ++p) {
    auto& prompt = manifest.prompts.emplace_back();
    for (const auto& [id, text] : {std::pair(7, "Berlin"), std::pair(8, " is")}) {
      auto* token = prompt.add_tokens();
      token->set_id(id);
      token->set_text(text);
      token->set_raw(text);
    }
    auto* target = prompt.add_targets();
    target->set_id(1);
    target->set_text(" Germany");
    auto* contrast = prompt.add_contrasts();
    contrast->set_id(2);
    contrast->set_text(" France");
    prompt.add_read_positions(1);
  }
  Recount(&manifest);
  return manifest;
}

void Recount(client::ScanManifest* manifest) {
  auto& head = manifest->head;
  head.set_n_prompts(manifest->n_prompts());
  head.set_n_variants(manifest->n_variants());
  client::RowSpace space(head);
  for (const auto& prompt : manifest->prompts) space.AddPrompt(prompt).IgnoreError();
  head.set_total_rows(space.total_rows());
}

void SetVariants(const std::vector<std::vector<std::pair<int, int>>>& sites, client::ScanManifest* manifest) {
  manifest->variants.clear();
  for (const auto& set : sites) {
    auto& variant = manifest->variants.emplace_back();
    std::string label;
    for (const auto& [layer, head] : set) {
      label += (label.empty() ? "L" : "+L") + std::to_string(layer) + "H" + std::to_string(head);
      auto* site = variant.add_sites();
      site->set_layer(layer);
      site->set_head(head);
    }
    variant.set_label(label);
  }
  Recount(manifest);
}

void AddReplacements(client::ScanManifest* manifest) {
  manifest->head.add_replacements()->mutable_scale()->set_factor(0.5F);
  manifest->head.add_replacements()->mutable_resample()->set_direction(ablation::v1::DIRECTION_NOISING);
  for (auto& prompt : manifest->prompts) *prompt.mutable_corrupted_tokens() = prompt.tokens();
  Recount(manifest);
}

void SweepPositions(client::ScanManifest* manifest) {
  manifest->head.mutable_edit_positions()->set_each(true);
  for (auto& prompt : manifest->prompts) {
    prompt.add_edit_positions(0);
    prompt.add_edit_positions(1);
  }
  Recount(manifest);
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
  prompt->clear_targets();
  prompt->clear_contrasts();
}

float DeltaTargetLogprob(int prompt, int variant, int replacement) {
  constexpr std::array<float, 4> kDelta = {-0.1F, 0.25F, -1.5F, 0.05F};
  if (variant == client::kBaseline) return 0;
  if (variant == client::kCorrupted) return -2;
  const float part = replacement == 0 ? 1 : replacement == 1 ? 0.5F : 0.25F;
  return kDelta.at(variant % 4) * static_cast<float>(1 + prompt) * part;
}

namespace {

std::vector<int32_t> EditPositionsOf(const client::ScanManifest& manifest, int prompt) {
  if (!manifest.head.edit_positions().each()) return {-1};
  const auto& positions = manifest.prompts[prompt].edit_positions();
  return {positions.begin(), positions.end()};
}

// Of a prompt, in RowSpace's order, without read positions.
std::vector<client::RunKey> RunsOf(const client::ScanManifest& manifest, int prompt) {
  std::vector<client::RunKey> runs(client::RowSpace(manifest.head).n_unedited());
  if (runs.size() > 1) runs[1].variant = client::kCorrupted;
  for (int r = 0; r < manifest.head.replacements_size(); ++r) {
    for (int v = 0; v < manifest.n_variants(); ++v) {
      for (const int32_t e : EditPositionsOf(manifest, prompt)) runs.push_back({r, v, e});
    }
  }
  return runs;
}

}  // namespace

std::vector<RowId> RowsOf(const client::ScanManifest& manifest, int prompt) {
  std::vector<RowId> rows;
  for (const auto& run : RunsOf(manifest, prompt)) {
    for (const int32_t position : manifest.prompts[prompt].read_positions()) {
      rows.push_back({prompt, run.variant, run.replacement, run.edit_position, position});
    }
  }
  return rows;
}

std::vector<RowId> AllRows(const client::ScanManifest& manifest) {
  std::vector<RowId> rows;
  for (int p = 0; p < manifest.n_prompts(); ++p) {
    const auto more = RowsOf(manifest, p);
    rows.insert(rows.end(), more.begin(), more.end());
  }
  return rows;
}

RowBlock MakeBlock(const std::vector<RowId>& rows, int top_k, bool has_target) {
  RowBlock block;
  for (const RowId& row : rows) {
    const float delta = DeltaTargetLogprob(row.prompt, row.variant, row.replacement);
    const bool is_changed = row.variant == 2;
    block.add_prompt_index(row.prompt);
    block.add_variant(row.variant);
    block.add_position(row.position);
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

RowBlock MakeBlock(const client::ScanManifest& manifest, const std::vector<RowId>& rows, int top_k, bool has_target) {
  RowBlock block = MakeBlock(rows, top_k, has_target);
  for (const RowId& row : rows) {
    if (manifest.head.replacements_size() > 1) block.add_replacement(row.variant < 0 ? -1 : row.replacement);
    if (manifest.head.edit_positions().each()) block.add_edit_position(row.edit_position);
    if (client::RowSpace(manifest.head).n_unedited() > 1) block.add_kl_to_clean(0.25);
    if (manifest.head.readout().effects()) {
      const double total = DeltaTargetLogprob(row.prompt, row.variant, row.replacement);
      block.add_direct_contribution(row.variant < 0 ? 0 : 0.5);
      block.add_direct_effect(total * 0.75);
      block.add_direct_effect_live(total * 0.5);
      block.add_total_effect(total);
      block.add_indirect_effect(total * 0.25);
      block.add_self_repair(total * 0.25);
    }
    if (manifest.head.sweep().has_pairs()) {
      block.add_interaction(row.variant >= 0 && manifest.variants[row.variant].sites_size() == 2
                                ? 0.125F * static_cast<float>(row.variant)
                                : 0);
    }
  }
  return block;
}

ablation::v1::LikelihoodBlock MakeLikelihood(const client::ScanManifest& manifest, int prompt) {
  ablation::v1::LikelihoodBlock block;
  block.set_prompt_index(prompt);
  for (const auto& run : RunsOf(manifest, prompt)) {
    const float delta = DeltaTargetLogprob(prompt, run.variant, run.replacement);
    block.add_replacement(run.replacement);
    block.add_variant(run.variant);
    block.add_edit_position(run.edit_position);
    block.add_mean_nll(3 + delta);
    block.add_delta_mean_nll(delta);
    block.add_token_logprob(-3 - delta);
  }
  return block;
}

ablation::v1::CompensationBlock MakeCompensation(const client::ScanManifest& manifest, int prompt) {
  ablation::v1::CompensationBlock block;
  block.set_prompt_index(prompt);
  for (const RowId& row : RowsOf(manifest, prompt)) {
    if (row.variant < 0) continue;
    block.add_replacement(row.replacement);
    block.add_variant(row.variant);
    block.add_edit_position(row.edit_position);
    block.add_position(row.position);
    for (int head = 0; head < 4; ++head) block.add_heads((1 + head) * (1 + row.variant));
    block.add_mlps(0.5);
    block.add_mlps(-0.5);
    block.add_layer_norm(0.25);
  }
  return block;
}

ablation::v1::SummaryHead MakeSummaryHead(const client::ScanManifest& manifest) {
  ablation::v1::SummaryHead head;
  head.set_n_clusters(24);
  head.set_n_prompts(24);
  head.set_assumes_iid(true);
  head.set_bootstrap_resamples(2000);
  head.set_sign_flips(10'000);
  head.set_seed(7);
  if (manifest.head.replacements_size() > 1) {
    auto* pair = head.add_rank_agreement();
    pair->set_second(1);
    pair->set_spearman(0.5);
  }
  return head;
}

ablation::v1::SummaryBlock MakeSummary(const client::ScanManifest& manifest) {
  ablation::v1::SummaryBlock block;
  for (int r = 0; r < manifest.head.replacements_size(); ++r) {
    for (int v = 0; v < manifest.n_variants(); ++v) {
      for (const int32_t e : EditPositionsOf(manifest, 0)) {
        for (int read = 0; read < manifest.prompts[0].read_positions_size(); ++read) {
          const double mean = DeltaTargetLogprob(0, v, r);
          block.add_replacement(r);
          block.add_variant(v);
          if (e >= 0) block.add_edit_position(e);
          block.add_read_index(read);
          block.add_mean(mean);
          block.add_std(0.5);
          block.add_sem(0.125);
          block.add_ci_low(mean - 0.25);
          block.add_ci_high(mean + 0.25);
          block.add_sign_share(0.75);
          block.add_top1_share(0.5);
          block.add_p_fwer(v == 0 ? std::nan("") : 0.03125);
          block.add_q_bh(0.0625);
          block.add_q_by(0.125);
          block.add_below_floor(v == 1);
          block.add_selected_in_sample(v == 1);
          block.add_normalized(std::nan(""));
          block.add_faithfulness(std::nan(""));
        }
      }
    }
  }
  return block;
}

}  // namespace ablate::testing
