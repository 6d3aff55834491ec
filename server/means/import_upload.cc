#include "server/means/import_upload.h"

#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/model/safetensors.h"
#include "server/errors.h"
#include "server/means/mean_file.h"
#include "server/means/mean_store.h"
#include "server/means/store_error.h"

namespace ablate {
namespace {

namespace pb = ::ablation::v1;

constexpr size_t kMaxPieceBytes = size_t{1} << 20;
// Arrays and a header.
constexpr int64_t kMaxFileBytes = kMaxMeanBytes + int64_t{kMaxSafetensorsHeaderBytes};

}  // namespace

ImportMeansUpload* ImportMeansUpload::Start(grpc::CallbackServerContext* context,
                                            pb::ImportMeanLibraryResponse* response, const Backend* backend,
                                            Budget* budget, Gate::Pass pass) {
  const std::string tenant = pass.tenant();
  const auto upload = std::make_shared<ImportMeansUpload>(response, tenant, backend, budget, std::move(pass));
  upload->Begin(context, RequireWritableStore(backend->means, tenant).status());
  return upload.get();
}

absl::Status ImportMeansUpload::Take(pb::ImportMeanLibraryRequest& message) {
  const std::string& data = message.data();
  if (data.size() > kMaxPieceBytes) {
    return BadField("data", "PIECE_TOO_LARGE",
                    absl::StrCat("got ", data.size(), " bytes in one message, expected at most ", kMaxPieceBytes));
  }
  const auto bytes = static_cast<int64_t>(file_.size() + data.size());
  if (bytes > kMaxFileBytes) {
    return OverQuota("MEANS_TOO_LARGE",
                     absl::StrCat("the file has ", bytes, " bytes or more, expected at most ", kMaxFileBytes));
  }
  auto room = budget_->Take(static_cast<int64_t>(data.size()));
  if (!room.ok()) return room.status();
  memory_.push_back(*std::move(room));
  file_.append(data);
  return absl::OkStatus();
}

absl::Status ImportMeansUpload::Conclude() {
  auto library = ParseMeanFile({reinterpret_cast<const uint8_t*>(file_.data()), file_.size()}, "the file");
  if (!library.ok()) return BadField("data", "MEAN_LIBRARY_DAMAGED", library.status().message());
  if (const auto bytes = library->info.ByteSizeLong(); bytes > kMaxInfoBytes) {
    return BadField("data", "DESCRIPTION_TOO_LONG",
                    absl::StrCat("the library's description has ", bytes, " bytes, expected at most ", kMaxInfoBytes));
  }
  const EngineInfo& model = backend().engine->Describe();
  if (library->info.weights_sha256() != model.weights_sha256) {
    return UnfitField(
        "data", "OTHER_MODEL",
        absl::StrCat("the library `", library->info.id(), "` belongs to the model with weights_sha256 `",
                     library->info.weights_sha256(), "`, expected this server's, `", model.weights_sha256, "`"));
  }
  if (library->n_layers != model.n_layers || library->n_heads != model.n_heads || library->d_head != model.d_head) {
    return BadField("data", "MEAN_LIBRARY_DAMAGED",
                    absl::StrCat("the file has means of ", library->n_layers, " layers x ", library->n_heads,
                                 " heads x ", library->d_head, ", expected the model's ", model.n_layers, " x ",
                                 model.n_heads, " x ", model.d_head));
  }
  const auto store = RequireStore(backend().means, tenant_);
  if (!store.ok()) return store.status();
  auto stored = (*store)->Put(std::make_shared<const MeanLibrary>(*std::move(library)));
  if (!stored.ok()) return StoreError(stored.status());
  *response_->mutable_library() = *std::move(stored);
  return absl::OkStatus();
}

}  // namespace ablate
