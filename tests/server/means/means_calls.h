// The five calls about mean libraries, each read to its end.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "ablation/v1/service.grpc.pb.h"
#include "grpcpp/grpcpp.h"
#include "server/means/mean_library.h"

namespace ablate {

// A data set of prompts of these token ids.
ablation::v1::ComputeMeansRequest MeansRequest(const std::vector<std::vector<int32_t>>& prompts);

struct ComputeResult {
  grpc::Status status;
  // In the order of arrival.
  std::vector<int32_t> prompts_done;
  std::vector<ablation::v1::MeanLibrary> libraries;
};

ComputeResult Compute(ablation::v1::AblationService::Stub& stub, const ablation::v1::ComputeMeansRequest& request,
                      std::chrono::milliseconds deadline = std::chrono::seconds(120));
ComputeResult ReadCompute(ablation::v1::AblationService::Stub& stub, grpc::ClientContext& context,
                          const ablation::v1::ComputeMeansRequest& request);

struct FileResult {
  grpc::Status status;
  std::string bytes;
  size_t largest_piece = 0;
};

FileResult Export(ablation::v1::AblationService::Stub& stub, const std::string& id);

struct ImportResult {
  grpc::Status status;
  ablation::v1::MeanLibrary library;
};

ImportResult Import(ablation::v1::AblationService::Stub& stub, const std::string& bytes, size_t piece = 1000);

struct ListResult {
  grpc::Status status;
  ablation::v1::ListMeanLibrariesResponse response;
};

ListResult List(ablation::v1::AblationService::Stub& stub, int32_t page_size = 0, const std::string& page_token = "");

grpc::Status Delete(ablation::v1::AblationService::Stub& stub, const std::string& id);

}  // namespace ablate
