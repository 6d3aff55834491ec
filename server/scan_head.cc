#include "server/scan_head.h"

#include <utility>

#include "server/convert.h"
#include "server/row_blocks.h"

namespace ablate {
namespace {

namespace pb = ::ablation::v1;

// Fills `to` with make(next), make(next + 1), ... up to `end` or the block's limit; moves `next` on.
template <typename Message, typename Make>
void FillBlock(size_t& next, size_t end, google::protobuf::RepeatedPtrField<Message>& to, const Make& make) {
  // An entry's own tag and length.
  constexpr size_t kOverhead = 6;
  size_t bytes = 0;
  for (; next < end; ++next) {
    Message entry = make(next);
    bytes += entry.ByteSizeLong() + kOverhead;
    // Made once more for the next block: once in thousands of entries.
    if (bytes > kBlockBytes && !to.empty()) return;
    *to.Add() = std::move(entry);
  }
}

}  // namespace

ScanHead::ScanHead(pb::Manifest manifest, const pb::AblateRequest* request,
                   std::shared_ptr<const PreparedRequest> prepared, const Tokenizer* tokenizer)
    : manifest_(std::move(manifest)), request_(request), prepared_(std::move(prepared)), tokenizer_(tokenizer) {
  FillManifest(*request_, *prepared_, *manifest_);
}

std::optional<pb::AblateResponse> ScanHead::Next() {
  if (manifest_.has_value()) {
    pb::AblateResponse response;
    *response.mutable_manifest() = *std::exchange(manifest_, std::nullopt);
    return response;
  }
  if (next_variant_ < prepared_->variants.size()) return NextVariants();
  if (next_prompt_ < prepared_->prompts.size()) return NextPrompts();
  return std::nullopt;
}

pb::AblateResponse ScanHead::NextVariants() {
  pb::AblateResponse response;
  pb::VariantBlock& block = *response.mutable_variant_block();
  block.set_first_variant(static_cast<int32_t>(next_variant_));
  FillBlock(next_variant_, prepared_->variants.size(), *block.mutable_variants(),
            [this](size_t i) { return MakeVariant(prepared_->variants[i], prepared_->shape); });
  return response;
}

pb::AblateResponse ScanHead::NextPrompts() {
  pb::AblateResponse response;
  pb::PromptBlock& block = *response.mutable_prompt_block();
  block.set_first_prompt_index(static_cast<int32_t>(next_prompt_));
  FillBlock(next_prompt_, prepared_->prompts.size(), *block.mutable_prompts(), [this](size_t i) {
    return MakeResolvedPrompt(request_->prompts(static_cast<int>(i)), prepared_->prompts[i], *tokenizer_);
  });
  return response;
}

}  // namespace ablate
