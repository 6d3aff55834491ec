#include "server/means/compute_stream.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "server/convert.h"
#include "server/errors.h"
#include "server/means/mean_store.h"
#include "server/means/store_error.h"
#include "spdlog/spdlog.h"

namespace ablate {
namespace pb = ::ablation::v1;

ComputeMeansStream* ComputeMeansStream::Start(grpc::CallbackServerContext* context,
                                              const pb::ComputeMeansRequest* request, const Backend* backend,
                                              Budget* budget, Gate::Pass pass) {
  auto stream = std::make_shared<ComputeMeansStream>(backend, budget, std::move(pass));
  stream->Keep(context);
  backend->stall_guard->Watch(stream);
  const absl::Time deadline = absl::FromChrono(context->deadline());
  const auto prepare = [stream, request, deadline] {
    const absl::Status admitted = stream->Admit(*request, deadline);
    if (!admitted.ok()) stream->End(admitted);
    stream->Release();
  };
  const absl::Status queued = backend->executor->Submit(static_cast<int64_t>(request->ByteSizeLong()), prepare);
  if (!queued.ok()) {
    stream->End(queued);
    stream->Release();
  }
  return stream.get();
}

absl::Status ComputeMeansStream::Admit(const pb::ComputeMeansRequest& request, absl::Time deadline) {
  const auto store = RequireWritableStore(backend_->means, tenant_);
  if (!store.ok()) return store.status();
  PrepareContext context;
  context.engine = backend_->engine;
  context.limits = backend_->limits;
  context.go_on = [this, deadline] {
    if (Gone()) return absl::CancelledError("the client has left");
    if (deadline <= absl::Now()) return absl::DeadlineExceededError("the deadline passed before the request was ready");
    return absl::OkStatus();
  };
  auto means = PrepareMeans(request, context);
  if (!means.ok()) return means.status();
  if (const auto known = (*store)->Get(means->info.id()); known.ok()) {
    // The same model, options and data: the same means.
    PushLibrary((*known)->info);
    End(absl::OkStatus());
    return absl::OkStatus();
  }
  auto room = budget_->Take(means->bytes);
  if (!room.ok()) return room.status();
  memory_.emplace(*std::move(room));
  means_ = *std::move(means);
  sums_.emplace(means_.sums);

  auto work = std::make_shared<Request>();
  work->prepared = means_.runs;
  work->deadline = deadline;
  auto self = std::static_pointer_cast<ComputeMeansStream>(shared_from_this());
  work->amend = [stream = self.get()](Scan& scan, size_t run) {
    scan.on_head_outputs = [stream, run](const HeadOutputs& z) {
      stream->Add(run, z);
      return absl::OkStatus();
    };
  };
  work->sink = std::move(self);
  return backend_->scheduler->Submit(std::move(work));
}

void ComputeMeansStream::Add(size_t run, absl::Span<const double> z) {
  // A batch that failed is run again; what came out of it the first time has been added.
  if (run < next_run_ || !error_.ok()) return;
  if (run != next_run_) {
    error_ = absl::InternalError(absl::StrCat("the engine gave run ", run, " before run ", next_run_));
    return;
  }
  ++next_run_;
  const auto n_tokens = static_cast<int32_t>(means_.runs->prompts[run].token_ids.size());
  error_ = sums_->Add(z, n_tokens, means_.group_of_run[run]);
}

absl::Status ComputeMeansStream::TakeBlock(ReadoutBlock /*block*/, size_t unit) {
  if (error_.ok() && unit >= next_run_) {
    error_ = absl::InternalError(absl::StrCat("the engine gave no head outputs of run ", unit));
  }
  return error_;
}

absl::Status ComputeMeansStream::EndPrompt(int32_t run, const EngineUse& /*so_far*/) {
  constexpr absl::Duration kPause = absl::Milliseconds(100);
  const auto index = static_cast<size_t>(run);
  const bool is_last_run = index + 1 == means_.prompt_of_run.size();
  const int32_t prompt = means_.prompt_of_run[index];
  if (!is_last_run && means_.prompt_of_run[index + 1] == prompt) return absl::OkStatus();
  const absl::Time now = absl::Now();
  if (!is_last_run && now - told_ < kPause) return absl::OkStatus();
  told_ = now;
  pb::ComputeMeansResponse response;
  response.set_prompts_done(prompt + 1);
  Push(std::move(response));
  return absl::OkStatus();
}

void ComputeMeansStream::Complete(absl::Status status, const RequestTiming& /*timing*/) {
  if (!status.ok()) {
    End(std::move(status));
    return;
  }
  // Dividing, hashing and writing to disk would hold up the device. The sums are in the budget, not the executor's
  // count.
  auto self = std::static_pointer_cast<ComputeMeansStream>(shared_from_this());
  const absl::Status queued = backend_->executor->Submit(0, [self] { self->End(self->Store()); });
  if (!queued.ok()) End(queued);
}

absl::Status ComputeMeansStream::Store() {
  if (Gone()) return absl::CancelledError("the client has left");
  auto library = std::make_shared<MeanLibrary>();
  library->info = std::move(means_.info);
  library->info.set_created_unix_ms(absl::ToUnixMillis(absl::Now()));
  library->info.set_engine_version(MakeRuntimeInfo(backend_->engine->Describe(), backend_->limits).engine_version());
  sums_->Finish(*library);
  const auto store = RequireStore(backend_->means, tenant_);
  if (!store.ok()) return store.status();
  const auto stored = (*store)->Put(std::move(library));
  if (!stored.ok()) return StoreError(stored.status());
  spdlog::info("mean library {}: {} prompts, {} tokens, {} bytes", stored->id(), stored->n_prompts(),
               stored->n_tokens(), stored->size_bytes());
  PushLibrary(*stored);
  return absl::OkStatus();
}

void ComputeMeansStream::PushLibrary(const pb::MeanLibrary& library) {
  pb::ComputeMeansResponse response;
  *response.mutable_library() = library;
  Push(std::move(response));
}

void ComputeMeansStream::OnOver() {
  pass_.reset();
}

void ComputeMeansStream::CancelIfStalled(absl::Time since) {
  EndIfBusySince(since, StallText("took no message", backend_->max_write_stall, "read the stream, or set a deadline"));
}

}  // namespace ablate
