#include "server/means/import_upload.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "grpc/grpc.h"
#include "server/errors.h"
#include "server/means/mean_file.h"
#include "server/means/mean_store.h"
#include "server/means/store_error.h"
#include "server/unknown_fields.h"
#include "spdlog/spdlog.h"

namespace ablate {
namespace {

namespace pb = ::ablation::v1;

constexpr size_t kMaxPieceBytes = size_t{1} << 20;
// Arrays and a header.
constexpr int64_t kMaxFileBytes = kMaxMeanBytes + (int64_t{16} << 20);

}  // namespace

ImportMeansUpload* ImportMeansUpload::Start(grpc::CallbackServerContext* context,
                                            pb::ImportMeanLibraryResponse* response, const Backend* backend,
                                            Budget* budget, Gate::Pass pass) {
  auto upload = std::make_shared<ImportMeansUpload>(response, backend, budget, std::move(pass));
  upload->self_ = upload;
  {
    absl::MutexLock lock(&upload->mu_);
    upload->context_ = context;
  }
  backend->stall_guard->Watch(upload);
  const auto store = RequireWritableStore(backend->means);
  if (store.ok()) {
    upload->Read();
  } else {
    upload->End(store.status());
  }
  return upload.get();
}

ImportMeansUpload::ImportMeansUpload(pb::ImportMeanLibraryResponse* response, const Backend* backend, Budget* budget,
                                     Gate::Pass pass)
    : response_(response), backend_(backend), pass_(std::move(pass)), budget_(budget) {}

void ImportMeansUpload::Read() {
  {
    absl::MutexLock lock(&mu_);
    reading_since_ = absl::Now();
  }
  StartRead(&message_);
}

void ImportMeansUpload::OnReadDone(bool ok) {
  {
    absl::MutexLock lock(&mu_);
    reading_since_.reset();
  }
  if (gone_) return End(absl::CancelledError("the client has left"));
  if (ok) {
    const absl::Status taken = TakeMessage();
    return taken.ok() ? Read() : End(taken);
  }
  // The bytes are in the budget, not the executor's count.
  const absl::Status queued =
      backend_->executor->Submit(0, [upload = shared_from_this()] { upload->End(upload->Store()); });
  if (!queued.ok()) End(queued);
}

absl::Status ImportMeansUpload::TakeMessage() {
  const absl::Status known = RefuseUnknownFields(message_);
  if (!known.ok()) return known;
  const std::string& data = message_.data();
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

absl::Status ImportMeansUpload::Store() {
  if (gone_) return absl::CancelledError("the client has left");
  auto library = ParseMeanFile({reinterpret_cast<const uint8_t*>(file_.data()), file_.size()}, "the file");
  if (!library.ok()) return BadField("data", "MEAN_LIBRARY_DAMAGED", library.status().message());
  const EngineInfo& model = backend_->engine->Describe();
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
  auto stored = backend_->means->Put(std::make_shared<const MeanLibrary>(*std::move(library)));
  if (!stored.ok()) return StoreError(stored.status());
  *response_->mutable_library() = *std::move(stored);
  return absl::OkStatus();
}

void ImportMeansUpload::End(const absl::Status& status) {
  Finish(ToGrpcStatus(status));
}

void ImportMeansUpload::OnDone() {
  {
    absl::MutexLock lock(&mu_);
    context_ = nullptr;
  }
  pass_.reset();
  const auto self = std::move(self_);
}

void ImportMeansUpload::CancelIfStalled(absl::Time since) {
  const std::string why = absl::StrCat("the client sent nothing for ", absl::FormatDuration(backend_->max_write_stall),
                                       " (--max-write-stall): send the file, or set a deadline");
  grpc_call* call = nullptr;
  {
    absl::MutexLock lock(&mu_);
    if (context_ == nullptr || !reading_since_.has_value() || *reading_since_ > since) return;
    // Outlives the context, which goes when the call is over.
    call = std::exchange(context_, nullptr)->c_call();
    grpc_call_ref(call);
  }
  grpc_call_cancel_with_status(call, GRPC_STATUS_ABORTED, why.c_str(), nullptr);
  grpc_call_unref(call);
  spdlog::warn("a call was ended: {}", why);
}

}  // namespace ablate
