#include "server/ablate_stream.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "server/convert.h"
#include "server/errors.h"
#include "server/means/store_error.h"
#include "server/prepare_for.h"
#include "server/row_messages.h"
#include "server/selection_sink.h"
#include "server/server_info.h"

namespace ablate {
namespace pb = ::ablation::v1;

AblateStream* AblateStream::Start(grpc::CallbackServerContext* context, const pb::AblateRequest* request,
                                  const Backend* backend, Gate::Pass pass) {
  const absl::Time deadline = absl::FromChrono(context->deadline());
  auto stream = std::make_shared<AblateStream>(request, deadline, backend, std::move(pass));
  stream->Keep(context);
  backend->stall_guard->Watch(stream);
  const absl::Status queued =
      backend->executor->Submit(static_cast<int64_t>(request->ByteSizeLong()), [stream] { stream->Begin(); });
  if (!queued.ok()) stream->EndUnread(queued);
  return stream.get();
}

AblateStream::AblateStream(const pb::AblateRequest* request, absl::Time deadline, const Backend* backend,
                           Gate::Pass pass)
    : request_(request),
      deadline_(deadline),
      backend_(backend),
      tenant_(pass.tenant()),
      pass_(std::move(pass)),
      arrival_(absl::Now()) {}

// Nothing has been written, nor will be.
void AblateStream::EndUnread(const absl::Status& status) {
  End(status);
  Release();
}

void AblateStream::Begin() {
  const bool selects = NeedsOrder(*request_);
  const absl::Status submitted = selects ? SubmitSelection() : Submit();
  if (!submitted.ok()) {
    EndUnread(submitted);
  } else if (!selects) {
    Release();
  }
}

void AblateStream::GoOnWith(absl::StatusOr<pb::Selection> selection, const RequestTiming& timing) {
  if (!selection.ok()) {
    EndUnread(selection.status());
    return;
  }
  timing_ = timing;
  selection_ = *std::move(selection);
  NameChoosers(*split_, static_cast<size_t>(request_->prompts_size()), *selection_);
  const absl::Status submitted = Submit();
  if (!submitted.ok()) {
    EndUnread(submitted);
  } else {
    Release();
  }
}

absl::StatusOr<PreparedRequest> AblateStream::PrepareWith(absl::Span<const Site> order) {
  return PrepareFor(tenant_, *request_, backend_->limits, *backend_, [this] { return GoOn(); }, order);
}

absl::Status AblateStream::GoOn() const {
  if (Gone()) return absl::CancelledError("the client has left");
  if (deadline_ <= absl::Now()) return absl::DeadlineExceededError("the deadline passed before the end");
  return absl::OkStatus();
}

absl::Status AblateStream::SubmitSelection() {
  const absl::Time begin = absl::Now();
  auto prepared = PrepareWith({});
  if (!prepared.ok()) return prepared.status();
  auto split = SplitFor(request_->summary(), prepared->prompts);
  if (!split.ok()) return split.status();
  split_ = *std::move(split);
  KeepForSelection(split_->chooses, *prepared);
  selection_cost_ = prepared->cost;
  const FollowUp follow_up = prepared->follow_up;
  if (follow_up.cost > backend_->limits.cost - selection_cost_) {
    return TooCostly(selection_cost_ + follow_up.cost, backend_->limits.cost);
  }
  // What both sweeps need: the second must not fail for want of room when the first has run.
  absl::Status reserved = ReserveTable(*prepared);
  const auto chosen_from = static_cast<int64_t>(prepared->variants.size() * prepared->prompts.size());
  if (reserved.ok()) reserved = ReserveDeltas(std::max(chosen_from, follow_up.delta_values));
  if (!reserved.ok()) return reserved;

  auto work = std::make_shared<Request>();
  work->prepared = std::make_shared<const PreparedRequest>(*std::move(prepared));
  work->cost_to_come = follow_up.cost;
  work->deadline = deadline_;
  const auto done = [self = Self()](absl::StatusOr<pb::Selection> selection, const RequestTiming& timing) {
    // Not in the device's thread: what follows tokenises all prompts again.
    const absl::Status queued = self->backend_->executor->Submit(
        0, [self, selection = std::move(selection), timing] { self->GoOnWith(selection, timing); });
    if (!queued.ok()) self->EndUnread(queued);
  };
  work->sink = std::make_shared<SelectionSink>(
      work->prepared, SelectionSink::Callbacks{.abandoned = [self = Self()] { return self->Gone(); }, .done = done});
  prepare_ns_ = absl::ToInt64Nanoseconds(absl::Now() - begin);
  return backend_->scheduler->Submit(std::move(work));
}

absl::Status AblateStream::Submit() {
  const absl::Time begin = absl::Now();
  auto made = PrepareWith(selection_.has_value() ? SitesOf(*selection_) : std::vector<Site>());
  if (!made.ok()) return made.status();
  const auto prepared = std::make_shared<const PreparedRequest>(*std::move(made));
  absl::Status reserved = ReserveTable(*prepared);
  if (reserved.ok() && request_->has_summary()) reserved = ReserveDeltas(DeltaTable::ValuesOf(*prepared));
  if (!reserved.ok()) return reserved;
  if (request_->has_summary()) {
    BeginSummary(prepared);
  } else {
    deltas_lease_.reset();
  }
  assembler_.emplace(prepared, request_->sweep().has_pairs());
  format_ = RowFormat::Of(*prepared);
  total_rows_ = prepared->total_rows();

  pb::Manifest manifest = BeginManifest(*backend_, selection_cost_ + prepared->cost);
  if (selection_.has_value()) *manifest.mutable_selection() = *std::move(selection_);
  head_.emplace(std::move(manifest), request_, prepared, &backend_->engine->tokenizer());

  auto work = std::make_shared<Request>();
  work->prepared = prepared;
  work->deadline = deadline_;
  work->sink = Self();
  work->is_follow_up = split_.has_value();
  // Like what it waited for, that of the first of its sweeps.
  if (!split_.has_value()) prepare_ns_ = absl::ToInt64Nanoseconds(absl::Now() - begin);
  // From here on blocks may come; they wait behind the head.
  const absl::Status admitted = backend_->scheduler->Submit(std::move(work));
  if (!admitted.ok()) head_.reset();
  return admitted;
}

// A second sweep puts in what the first one did, and has its lease.
absl::Status AblateStream::ReserveTable(const PreparedRequest& prepared) {
  if (prepared.table == nullptr || table_lease_.has_value()) return absl::OkStatus();
  auto lease = backend_->tables->Take(static_cast<int64_t>(prepared.table->values.size()));
  if (!lease.ok()) return lease.status();
  table_lease_.emplace(*std::move(lease));
  return absl::OkStatus();
}

absl::Status AblateStream::ReserveDeltas(int64_t values) {
  if (deltas_lease_.has_value()) return absl::OkStatus();
  auto lease = backend_->deltas->Take(values);
  if (!lease.ok()) return lease.status();
  deltas_lease_.emplace(*std::move(lease));
  return absl::OkStatus();
}

void AblateStream::BeginSummary(const std::shared_ptr<const PreparedRequest>& prepared) {
  deltas_.emplace(prepared);
  summary_ = SummaryOf(*request_, split_, backend_->numeric_floor);
}

void AblateStream::CancelIfStalled(absl::Time since) {
  EndIfBusySince(since, StallText("took no results", backend_->max_write_stall, "read the stream, or set a deadline"));
}

absl::Status AblateStream::TakeBlock(ReadoutBlock block, size_t unit) {
  auto rows = assembler_->Take(block, unit);
  if (!rows.ok()) return rows.status();
  if (deltas_.has_value()) {
    deltas_->Take(rows->prompt, rows->plain);
    deltas_->Take(rows->prompt, rows->normalized);
  }
  for (pb::AblateResponse& message : MakeMessages(*std::move(rows), format_, backend_->engine->tokenizer())) {
    Push(std::move(message));
  }
  return absl::OkStatus();
}

void AblateStream::Complete(absl::Status status, const RequestTiming& timing) {
  assembler_.reset();
  // What the request waited for is the first of its sweeps.
  if (!split_.has_value()) timing_.taken_up = timing.taken_up;
  timing_.use.Add(timing.use);
  if (!status.ok()) {
    deltas_.reset();
    deltas_lease_.reset();
    End(std::move(status));
    return;
  }
  if (!deltas_.has_value()) {
    PushCompletion();
    return;
  }
  const absl::Status queued = backend_->summaries->Submit(0, [self = Self()] { self->PushSummary(); });
  if (!queued.ok()) End(queued);
}

void AblateStream::PushSummary() {
  absl::Status status;
  if (!Gone()) {
    auto messages = MakeSummary(*deltas_, *summary_, [this] { return GoOn(); });
    status = messages.status();
    if (messages.ok()) {
      for (pb::AblateResponse& message : *messages) Push(std::move(message));
    }
  }
  deltas_.reset();
  deltas_lease_.reset();
  if (status.ok()) {
    PushCompletion();
  } else {
    End(std::move(status));
  }
}

void AblateStream::PushCompletion() {
  pb::AblateResponse response;
  pb::Completion& completion = *response.mutable_completion();
  completion.set_rows(total_rows_);
  pb::Timing& timing = *completion.mutable_timing();
  timing.set_queue_ns(absl::ToInt64Nanoseconds(timing_.taken_up - arrival_));
  timing.set_prepare_ns(prepare_ns_);
  FillTiming(timing_.use, timing);
  timing.set_total_ns(absl::ToInt64Nanoseconds(absl::Now() - arrival_));
  PushLast(std::move(response), absl::OkStatus());
}

void AblateStream::Amend(pb::AblateResponse& response, absl::Duration written_for) {
  if (!response.has_completion()) return;
  response.mutable_completion()->mutable_timing()->set_send_ns(absl::ToInt64Nanoseconds(written_for));
}

}  // namespace ablate
