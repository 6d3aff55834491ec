#include "server/means/export_stream.h"

#include <utility>

#include "server/means/mean_store.h"
#include "server/means/store_error.h"
#include "server/unknown_fields.h"

namespace ablate {
namespace pb = ::ablation::v1;

ExportMeansStream* ExportMeansStream::Start(grpc::CallbackServerContext* context,
                                            const pb::ExportMeanLibraryRequest* request, const Backend* backend,
                                            Gate::Pass pass) {
  auto stream = std::make_shared<ExportMeansStream>(backend, std::move(pass));
  stream->Keep(context);
  backend->stall_guard->Watch(stream);
  const absl::Status queued =
      backend->executor->Submit(static_cast<int64_t>(request->ByteSizeLong()), [stream, request] {
        stream->End(stream->Find(*request));
        stream->Release();
      });
  if (!queued.ok()) {
    stream->End(queued);
    stream->Release();
  }
  return stream.get();
}

absl::Status ExportMeansStream::Find(const pb::ExportMeanLibraryRequest& request) {
  const absl::Status known = RefuseUnknownFields(request);
  if (!known.ok()) return known;
  const auto store = RequireStore(backend_->means, tenant_);
  if (!store.ok()) return store.status();
  auto library = (*store)->Get(request.id());
  if (!library.ok()) return StoreError(library.status());
  auto file = MeanFile::Make(*std::move(library));
  if (!file.ok()) return file.status();
  file_.emplace(*std::move(file));
  return absl::OkStatus();
}

std::optional<pb::ExportMeanLibraryResponse> ExportMeansStream::NextHead() {
  constexpr int64_t kPieceBytes = int64_t{256} << 10;
  if (!file_.has_value()) return std::nullopt;
  pb::ExportMeanLibraryResponse response;
  response.set_data(file_->Read(offset_, kPieceBytes));
  if (response.data().empty()) return std::nullopt;
  offset_ += static_cast<int64_t>(response.data().size());
  return response;
}

void ExportMeansStream::OnOver() {
  file_.reset();
  pass_.reset();
}

void ExportMeansStream::CancelIfStalled(absl::Time since) {
  EndIfBusySince(since, StallText("took no message", backend_->max_write_stall, "read the stream, or set a deadline"));
}

}  // namespace ablate
