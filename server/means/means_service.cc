#include "server/means/means_service.h"

#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/errors.h"
#include "server/means/compute_stream.h"
#include "server/means/export_stream.h"
#include "server/means/import_upload.h"
#include "server/means/mean_id.h"
#include "server/means/mean_store.h"
#include "server/means/store_error.h"
#include "server/quote.h"
#include "server/unary_call.h"
#include "server/unknown_fields.h"

namespace ablate {
namespace {

namespace pb = ::ablation::v1;

absl::Status ListLibraries(const pb::ListMeanLibrariesRequest& request, const std::string& tenant,
                           const Backend& backend, pb::ListMeanLibrariesResponse& response) {
  constexpr int kMaxPage = 1000;
  constexpr int kPage = 100;
  const absl::Status known = RefuseUnknownFields(request);
  if (!known.ok()) return known;
  if (request.page_size() < 0 || request.page_size() > kMaxPage) {
    return BadField("page_size", "PAGE_SIZE_OUT_OF_RANGE",
                    absl::StrCat("got ", request.page_size(), ", expected 1 .. ", kMaxPage, ", or 0 for ", kPage));
  }
  if (!request.page_token().empty() && !IsMeanLibraryId(request.page_token())) {
    return BadField(
        "page_token", "PAGE_TOKEN_INVALID",
        absl::StrCat("got ", Quoted(request.page_token()), ", expected the next_page_token of another page"));
  }
  const auto store = RequireStore(backend.means, tenant);
  if (!store.ok()) return store.status();
  auto libraries = (*store)->List();
  if (!libraries.ok()) return StoreError(libraries.status());
  const int page_size = request.page_size() == 0 ? kPage : request.page_size();
  size_t bytes = 0;
  for (pb::MeanLibrary& library : *libraries) {
    if (library.weights_sha256() != backend.engine->Describe().weights_sha256) continue;
    // The token is the last id of the page before.
    if (library.id() <= request.page_token()) continue;
    bytes += library.ByteSizeLong();
    const int n = response.libraries_size();
    if (n == page_size || (n > 0 && bytes > kMaxInfoBytes)) {
      response.set_next_page_token(response.libraries(n - 1).id());
      break;
    }
    *response.add_libraries() = std::move(library);
  }
  return absl::OkStatus();
}

absl::Status DeleteLibrary(const pb::DeleteMeanLibraryRequest& request, const std::string& tenant,
                           const Backend& backend) {
  const absl::Status known = RefuseUnknownFields(request);
  if (!known.ok()) return known;
  const auto store = RequireStore(backend.means, tenant);
  if (!store.ok()) return store.status();
  return StoreError((*store)->Delete(request.id()));
}

}  // namespace

grpc::ServerWriteReactor<pb::ComputeMeansResponse>* MeansService::Compute(grpc::CallbackServerContext* context,
                                                                          const pb::ComputeMeansRequest* request) {
  auto pass = entrance_->Enter(*context, Scope::kScan);
  if (!pass.ok()) return new Refused<grpc::ServerWriteReactor<pb::ComputeMeansResponse>>(pass.status());
  return ComputeMeansStream::Start(context, request, backend_, &budget_, *std::move(pass));
}

grpc::ServerUnaryReactor* MeansService::List(grpc::CallbackServerContext* context,
                                             const pb::ListMeanLibrariesRequest* request,
                                             pb::ListMeanLibrariesResponse* response) {
  return AnswerInExecutor(*entrance_, Scope::kScan, backend_->executor, context,
                          static_cast<int64_t>(request->ByteSizeLong()),
                          [this, request, response](const std::string& tenant) {
                            return ListLibraries(*request, tenant, *backend_, *response);
                          });
}

grpc::ServerUnaryReactor* MeansService::Delete(grpc::CallbackServerContext* context,
                                               const pb::DeleteMeanLibraryRequest* request,
                                               pb::DeleteMeanLibraryResponse* /*response*/) {
  return AnswerInExecutor(
      *entrance_, Scope::kScan, backend_->executor, context, static_cast<int64_t>(request->ByteSizeLong()),
      [this, request](const std::string& tenant) { return DeleteLibrary(*request, tenant, *backend_); });
}

grpc::ServerWriteReactor<pb::ExportMeanLibraryResponse>* MeansService::Export(
    grpc::CallbackServerContext* context, const pb::ExportMeanLibraryRequest* request) {
  auto pass = entrance_->Enter(*context, Scope::kScan);
  if (!pass.ok()) return new Refused<grpc::ServerWriteReactor<pb::ExportMeanLibraryResponse>>(pass.status());
  return ExportMeansStream::Start(context, request, backend_, *std::move(pass));
}

grpc::ServerReadReactor<pb::ImportMeanLibraryRequest>* MeansService::Import(grpc::CallbackServerContext* context,
                                                                            pb::ImportMeanLibraryResponse* response) {
  auto pass = entrance_->Enter(*context, Scope::kScan);
  if (!pass.ok()) return new Refused<grpc::ServerReadReactor<pb::ImportMeanLibraryRequest>>(pass.status());
  return ImportMeansUpload::Start(context, response, backend_, &budget_, *std::move(pass));
}

}  // namespace ablate
