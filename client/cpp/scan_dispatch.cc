#include "client/cpp/scan_dispatch.h"

namespace ablate::client {
namespace {

template <typename Message>
absl::Status HandOn(const std::function<absl::Status(Message)>& handler, Message* message) {
  return handler ? handler(std::move(*message)) : absl::OkStatus();
}

}  // namespace

absl::Status ScanDispatch::Take(v1::AblateResponse& response) {
  switch (response.payload_case()) {
    case v1::AblateResponse::kManifest:
      manifest_.head = std::move(*response.mutable_manifest());
      break;
    case v1::AblateResponse::kVariantBlock:
      for (auto& variant : *response.mutable_variant_block()->mutable_variants()) {
        manifest_.variants.push_back(std::move(variant));
      }
      break;
    case v1::AblateResponse::kPromptBlock:
      for (auto& prompt : *response.mutable_prompt_block()->mutable_prompts()) {
        manifest_.prompts.push_back(std::move(prompt));
      }
      // There is at least one prompt, and the last one ends the manifest.
      if (manifest_.n_prompts() != manifest_.head.n_prompts()) break;
      has_manifest_ = true;
      return HandOn(handlers_->on_manifest, &manifest_);
    case v1::AblateResponse::kRowBlock:
      return HandOn(handlers_->on_block, response.mutable_row_block());
    case v1::AblateResponse::kLikelihoodBlock:
      return HandOn(handlers_->on_likelihood, response.mutable_likelihood_block());
    case v1::AblateResponse::kCompensationBlock:
      return HandOn(handlers_->on_compensation, response.mutable_compensation_block());
    case v1::AblateResponse::kSummaryHead:
      return HandOn(handlers_->on_summary_head, response.mutable_summary_head());
    case v1::AblateResponse::kSummaryBlock:
      return HandOn(handlers_->on_summary, response.mutable_summary_block());
    case v1::AblateResponse::kCompletion:
      completion_ = std::move(*response.mutable_completion());
      break;
    case v1::AblateResponse::PAYLOAD_NOT_SET:
      break;
  }
  return absl::OkStatus();
}

}  // namespace ablate::client
