// An Ablate call in a thread of its own, and requests to make one with.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "ablation/v1/service.grpc.pb.h"
#include "absl/synchronization/notification.h"
#include "grpcpp/grpcpp.h"

namespace ablate {

// One prompt by text, with a target where it is not empty; all 6 heads.
ablation::v1::AblateRequest ScanRequest(const std::string& prompt, const std::string& target = " Germany");

// `count` prompts of one token each, different in each prompt.
ablation::v1::AblateRequest ManyPrompts(int count, int32_t top_k = 0);

// `count` prompts of the tokens that `ids` gives each, with one target each and, where asked for, one contrast.
ablation::v1::AblateRequest AnsweredPrompts(int count, const std::function<std::vector<int32_t>(int prompt)>& ids,
                                            bool has_contrasts = false);

// `count` of them with three tokens, a target and a contrast, whose deltas vary; and a summary.
ablation::v1::AblateRequest SummarizedPrompts(int count);

struct ScanResult {
  grpc::Status status;
  // In order of arrival.
  std::vector<ablation::v1::AblateResponse> responses;

  const ablation::v1::Manifest& manifest() const { return responses.at(0).manifest(); }
  // Of all their blocks, in order.
  std::vector<ablation::v1::Variant> variants() const;
  std::vector<ablation::v1::ResolvedPrompt> prompts() const;
  std::vector<ablation::v1::RowBlock> row_blocks() const;
  const ablation::v1::Completion& completion() const { return responses.back().completion(); }
  int64_t rows() const;
};

// Calls and reads to the end.
ScanResult RunScan(ablation::v1::AblationService::Stub& stub, const ablation::v1::AblateRequest& request,
                   std::chrono::milliseconds deadline = std::chrono::seconds(120));

struct ExplainResult {
  grpc::Status status;
  ablation::v1::ExplainPlanResponse plan;
};

// What the scan would take.
ExplainResult ExplainScan(ablation::v1::AblationService::Stub& stub, const ablation::v1::AblateRequest& request,
                          std::chrono::milliseconds deadline = std::chrono::seconds(120));

// RunScan in the background.
class ScanCall {
 public:
  ScanCall(ablation::v1::AblationService::Stub& stub, ablation::v1::AblateRequest request,
           std::chrono::milliseconds deadline = std::chrono::seconds(120));
  ~ScanCall();

  void Cancel() { context_.TryCancel(); }
  // Waits for the manifest, which tells that the request has been admitted; false where the call ended without.
  bool Admitted();
  // Joins.
  const ScanResult& Wait();

 private:
  grpc::ClientContext context_;
  ScanResult result_;
  std::atomic<bool> admitted_ = false;
  absl::Notification begun_;
  std::thread thread_;
};

}  // namespace ablate
