#include "tests/server/scan_call.h"

#include <utility>

#include "tests/server/fake_tokenizer.h"

namespace ablate {
namespace {

namespace pb = ::ablation::v1;

ScanResult Read(
    pb::AblationService::Stub& stub, grpc::ClientContext& context, const pb::AblateRequest& request,
    const std::function<void()>& on_first = [] {}) {
  ScanResult result;
  const auto reader = stub.Ablate(&context, request);
  pb::AblateResponse response;
  while (reader->Read(&response)) {
    result.responses.push_back(std::move(response));
    if (result.responses.size() == 1) on_first();
  }
  result.status = reader->Finish();
  return result;
}

}  // namespace

pb::AblateRequest ScanRequest(const std::string& prompt, const std::string& target) {
  pb::AblateRequest request;
  request.add_prompts()->set_text(prompt);
  if (!target.empty()) request.mutable_prompts(0)->add_targets()->set_text(target);
  return request;
}

pb::AblateRequest ManyPrompts(int count, int32_t top_k) {
  pb::AblateRequest request;
  for (int i = 0; i < count; ++i) request.add_prompts()->mutable_token_ids()->add_ids(i % 256);
  request.mutable_readout()->set_top_k(top_k);
  return request;
}

pb::AblateRequest AnsweredPrompts(int count, const std::function<std::vector<int32_t>(int prompt)>& ids,
                                  bool has_contrasts) {
  pb::AblateRequest request;
  for (int i = 0; i < count; ++i) {
    pb::Prompt& prompt = *request.add_prompts();
    for (const int32_t id : ids(i)) prompt.mutable_token_ids()->add_ids(id);
    prompt.add_targets()->set_id(FakeTokenizer::kGermany);
    if (has_contrasts) prompt.add_contrasts()->set_id(FakeTokenizer::kFrance);
  }
  return request;
}

pb::AblateRequest SummarizedPrompts(int count) {
  const auto ids = [](int i) { return std::vector<int32_t>{(i * 37) % 256, (i * 11) % 256, i % 256}; };
  pb::AblateRequest request = AnsweredPrompts(count, ids, /*has_contrasts=*/true);
  request.mutable_summary();
  return request;
}

std::vector<pb::Variant> ScanResult::variants() const {
  std::vector<pb::Variant> variants;
  for (const auto& response : responses) {
    const auto& block = response.variant_block();
    variants.insert(variants.end(), block.variants().begin(), block.variants().end());
  }
  return variants;
}

std::vector<pb::ResolvedPrompt> ScanResult::prompts() const {
  std::vector<pb::ResolvedPrompt> prompts;
  for (const auto& response : responses) {
    const auto& block = response.prompt_block();
    prompts.insert(prompts.end(), block.prompts().begin(), block.prompts().end());
  }
  return prompts;
}

std::vector<pb::RowBlock> ScanResult::row_blocks() const {
  std::vector<pb::RowBlock> blocks;
  for (const auto& response : responses) {
    if (response.has_row_block()) blocks.push_back(response.row_block());
  }
  return blocks;
}

int64_t ScanResult::rows() const {
  int64_t rows = 0;
  for (const auto& response : responses) rows += response.row_block().variant_size();
  return rows;
}

ScanResult RunScan(pb::AblationService::Stub& stub, const pb::AblateRequest& request,
                   std::chrono::milliseconds deadline) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + deadline);
  return Read(stub, context, request);
}

ExplainResult ExplainScan(pb::AblationService::Stub& stub, const pb::AblateRequest& request,
                          std::chrono::milliseconds deadline) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + deadline);
  pb::ExplainPlanRequest explain;
  *explain.mutable_request() = request;
  ExplainResult result;
  result.status = stub.ExplainPlan(&context, explain, &result.plan);
  return result;
}

ScanCall::ScanCall(pb::AblationService::Stub& stub, pb::AblateRequest request, std::chrono::milliseconds deadline) {
  context_.set_deadline(std::chrono::system_clock::now() + deadline);
  thread_ = std::thread([this, &stub, moved = std::move(request)] {
    result_ = Read(stub, context_, moved, [this] {
      admitted_ = true;
      begun_.Notify();
    });
    if (!admitted_) begun_.Notify();
  });
}

ScanCall::~ScanCall() {
  if (thread_.joinable()) thread_.join();
}

bool ScanCall::Admitted() {
  begun_.WaitForNotification();
  return admitted_;
}

const ScanResult& ScanCall::Wait() {
  if (thread_.joinable()) thread_.join();
  return result_;
}

}  // namespace ablate
