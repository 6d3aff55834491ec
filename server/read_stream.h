// A client-streaming reactor: takes the client's messages one by one, then ends the call in the executor.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "grpc/grpc.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/server_callback.h"
#include "server/backend.h"
#include "server/errors.h"
#include "server/gate.h"
#include "server/stall_guard.h"
#include "server/unknown_fields.h"
#include "spdlog/spdlog.h"

namespace ablate {

// Made with std::make_shared; holds itself from Begin until the call is over. One read is in flight, or one task in the
// executor, never both: whoever ends it finishes the call.
template <typename Message>
class ReadStream : public grpc::ServerReadReactor<Message>,
                   public StallGuard::Watched,
                   public std::enable_shared_from_this<ReadStream<Message>> {
 public:
  ReadStream(const Backend* backend, Gate::Pass pass) : backend_(backend), pass_(std::move(pass)) {}

  // `possible`: an error ends the call unread. `context` is gRPC's and stays valid until the call is over.
  void Begin(grpc::CallbackServerContext* context, const absl::Status& possible) {
    self_ = this->shared_from_this();
    {
      absl::MutexLock lock(&mu_);
      context_ = context;
    }
    backend_->stall_guard->Watch(self_);
    if (possible.ok()) {
      Read();
    } else {
      End(possible);
    }
  }

  // Ends the call where it has waited for the client's next message since before `since`.
  void CancelIfStalled(absl::Time since) final {
    const std::string why = StallText("sent nothing", backend_->max_write_stall,
                                      "send the next message, end the stream, or set a deadline");
    grpc_call* call = nullptr;
    {
      absl::MutexLock lock(&mu_);
      if (context_ == nullptr || !reading_since_.has_value() || *reading_since_ > since) return;
      // Outlives the context, which goes when the call is over.
      call = std::exchange(context_, nullptr)->c_call();
      grpc_call_ref(call);
    }
    // The read that this ends fails as behind the last message, and perhaps before OnCancel.
    gone_ = true;
    grpc_call_cancel_with_status(call, GRPC_STATUS_ABORTED, why.c_str(), nullptr);
    grpc_call_unref(call);
    spdlog::warn("a call was ended: {}", why);
  }

 protected:
  // One message, whose fields are known. An error ends the call.
  virtual absl::Status Take(Message& message) = 0;
  // All messages have come: what the call ends with. In the executor.
  virtual absl::Status Conclude() = 0;

  bool Gone() const { return gone_; }
  const Backend& backend() const { return *backend_; }

 private:
  void Read() {
    {
      absl::MutexLock lock(&mu_);
      reading_since_ = absl::Now();
    }
    this->StartRead(&message_);
  }

  void OnReadDone(bool ok) final {
    {
      absl::MutexLock lock(&mu_);
      reading_since_.reset();
    }
    if (gone_) return End(absl::CancelledError("the client has left"));
    if (ok) {
      absl::Status taken = RefuseUnknownFields(message_);
      if (taken.ok()) taken = Take(message_);
      return taken.ok() ? Read() : End(taken);
    }
    // What was taken is in a budget, not in the executor's count.
    const absl::Status queued = backend_->executor->Submit(0, [stream = this->shared_from_this()] {
      stream->End(stream->gone_ ? absl::CancelledError("the client has left") : stream->Conclude());
    });
    if (!queued.ok()) End(queued);
  }

  void OnCancel() final { gone_ = true; }

  void OnDone() final {
    {
      absl::MutexLock lock(&mu_);
      context_ = nullptr;
    }
    pass_.reset();
    const auto self = std::move(self_);
  }

  void End(const absl::Status& status) { this->Finish(ToGrpcStatus(status)); }

  const Backend* const backend_;
  std::optional<Gate::Pass> pass_;
  std::shared_ptr<ReadStream> self_;
  std::atomic<bool> gone_ = false;
  // Touched by the read in flight only.
  Message message_;

  absl::Mutex mu_;
  // Null once the call is over.
  grpc::CallbackServerContext* context_ ABSL_GUARDED_BY(mu_) = nullptr;
  // Since when a read has been in flight; nullopt: none is.
  std::optional<absl::Time> reading_since_ ABSL_GUARDED_BY(mu_);
};

}  // namespace ablate
