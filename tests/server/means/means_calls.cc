#include "tests/server/means/means_calls.h"

#include <algorithm>
#include <utility>

namespace ablate {
namespace {

namespace pb = ::ablation::v1;

}  // namespace

pb::ComputeMeansRequest MeansRequest(const std::vector<std::vector<int32_t>>& prompts) {
  pb::ComputeMeansRequest request;
  for (const auto& ids : prompts) {
    request.add_prompts()->mutable_token_ids()->mutable_ids()->Assign(ids.begin(), ids.end());
  }
  return request;
}

ComputeResult ReadCompute(pb::AblationService::Stub& stub, grpc::ClientContext& context,
                          const pb::ComputeMeansRequest& request) {
  ComputeResult result;
  const auto reader = stub.ComputeMeans(&context, request);
  pb::ComputeMeansResponse response;
  while (reader->Read(&response)) {
    if (response.has_library()) {
      result.libraries.push_back(response.library());
    } else {
      result.prompts_done.push_back(response.prompts_done());
    }
  }
  result.status = reader->Finish();
  return result;
}

ComputeResult Compute(pb::AblationService::Stub& stub, const pb::ComputeMeansRequest& request,
                      std::chrono::milliseconds deadline) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + deadline);
  return ReadCompute(stub, context, request);
}

FileResult Export(pb::AblationService::Stub& stub, const std::string& id) {
  FileResult result;
  grpc::ClientContext context;
  pb::ExportMeanLibraryRequest request;
  request.set_id(id);
  const auto reader = stub.ExportMeanLibrary(&context, request);
  pb::ExportMeanLibraryResponse response;
  while (reader->Read(&response)) {
    result.bytes += response.data();
    result.largest_piece = std::max(result.largest_piece, response.data().size());
  }
  result.status = reader->Finish();
  return result;
}

ImportResult Import(pb::AblationService::Stub& stub, const std::string& bytes, size_t piece) {
  ImportResult result;
  grpc::ClientContext context;
  pb::ImportMeanLibraryResponse response;
  const auto writer = stub.ImportMeanLibrary(&context, &response);
  pb::ImportMeanLibraryRequest request;
  for (size_t offset = 0; offset < bytes.size(); offset += piece) {
    request.set_data(bytes.substr(offset, piece));
    if (!writer->Write(request)) break;
  }
  writer->WritesDone();
  result.status = writer->Finish();
  result.library = std::move(*response.mutable_library());
  return result;
}

ListResult List(pb::AblationService::Stub& stub, int32_t page_size, const std::string& page_token) {
  ListResult result;
  grpc::ClientContext context;
  pb::ListMeanLibrariesRequest request;
  request.set_page_size(page_size);
  request.set_page_token(page_token);
  result.status = stub.ListMeanLibraries(&context, request, &result.response);
  return result;
}

grpc::Status Delete(pb::AblationService::Stub& stub, const std::string& id) {
  grpc::ClientContext context;
  pb::DeleteMeanLibraryRequest request;
  request.set_id(id);
  pb::DeleteMeanLibraryResponse response;
  return stub.DeleteMeanLibrary(&context, request, &response);
}

}  // namespace ablate
