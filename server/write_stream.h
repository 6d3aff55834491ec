// A server-streaming reactor done right: one write in flight, one finish, alive until gRPC has let go of it.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
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
#include "server/errors.h"
#include "spdlog/spdlog.h"

namespace ablate {

// Push and End may be called from any thread and never block. No lock is held while gRPC is called. Made with
// std::make_shared; holds itself from Keep() until OnDone, after which calls do nothing.
template <typename Response>
class WriteStream : public grpc::ServerWriteReactor<Response>,
                    public std::enable_shared_from_this<WriteStream<Response>> {
 public:
  // Before the reactor is handed to gRPC. Nothing is written before Release. `context` is needed for AbortIfBusySince
  // alone.
  void Keep(grpc::CallbackServerContext* context = nullptr) {
    self_ = this->shared_from_this();
    absl::MutexLock lock(&mu_);
    context_ = context;
  }

  // Queues a message behind the ones before it.
  void Push(Response response) {
    {
      absl::MutexLock lock(&mu_);
      Queue(std::move(response));
    }
    Pump();
  }

  // The last message, and the end in one.
  void PushLast(Response response, absl::Status status) {
    {
      absl::MutexLock lock(&mu_);
      Queue(std::move(response));
      if (!final_.has_value()) final_ = std::move(status);
    }
    Pump();
  }

  // Ends the stream behind what is queued; the first call counts.
  void End(absl::Status status) {
    {
      absl::MutexLock lock(&mu_);
      if (!final_.has_value()) final_ = std::move(status);
    }
    Pump();
  }

  // Lets the stream begin. The request and the server context stay valid until then at least: the call does not end
  // before it.
  void Release() {
    {
      absl::MutexLock lock(&mu_);
      released_ = true;
    }
    Pump();
  }

  // Cancels the call with ABORTED and `why`, once, where the transport has been busy with one message, or with the end,
  // since before `since`. True where it did so.
  bool AbortIfBusySince(absl::Time since, const std::string& why) {
    grpc_call* call = nullptr;
    {
      absl::MutexLock lock(&mu_);
      if (context_ == nullptr || !(writing_ || finished_) || busy_since_ > since) return false;
      // Outlives the context, which goes when the call is over.
      call = std::exchange(context_, nullptr)->c_call();
      grpc_call_ref(call);
    }
    // Unlike a status that waits behind what is not read, this reaches the client.
    grpc_call_cancel_with_status(call, GRPC_STATUS_ABORTED, why.c_str(), nullptr);
    grpc_call_unref(call);
    return true;
  }

  // The same, with a line in the log.
  void EndIfBusySince(absl::Time since, const std::string& why) {
    if (AbortIfBusySince(since, why)) spdlog::warn("a call was ended: {}", why);
  }

  // The client has left, its deadline has passed, or the connection broke.
  bool Gone() const { return gone_; }
  // Bytes pushed and not yet taken by the transport; what NextHead makes does not count.
  int64_t buffered_bytes() const { return buffered_bytes_; }

 protected:
  // Messages that go before everything pushed, made one by one when the transport takes them, so that they need no
  // buffer; nullopt: that was all. Called after Release, by one thread at a time, while the call's request is valid.
  virtual std::optional<Response> NextHead() { return std::nullopt; }
  // Before each write: of what is only known when a message's turn comes. gRPC was busy writing the messages before it
  // for `written_for` in all. Called by one thread at a time.
  virtual void Amend(Response& /*response*/, absl::Duration /*written_for*/) {}
  // After each write, from a gRPC thread; there may be room now, or nobody to write to.
  virtual void OnProgress() {}
  // The call is over: let go of what belongs to it.
  virtual void OnOver() {}

 private:
  struct Pending {
    Response response;
    int64_t bytes;
  };

  void OnWriteDone(bool ok) final {
    {
      absl::MutexLock lock(&mu_);
      written_for_ += absl::Now() - write_began_;
      writing_ = false;
      buffered_bytes_ -= current_.bytes;
      if (!ok) gone_ = true;
    }
    Pump();
    OnProgress();
  }

  void OnCancel() final {
    gone_ = true;
    Pump();
    OnProgress();
  }

  void OnDone() final {
    {
      absl::MutexLock lock(&mu_);
      context_ = nullptr;
      buffered_bytes_ = 0;
    }
    OnOver();
    const auto self = std::move(self_);
  }

  enum class Step { kNone, kHead, kWrite, kWriteLast, kFinish };

  void Queue(Response response) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (final_.has_value() || Gone()) return;
    const auto bytes = static_cast<int64_t>(response.ByteSizeLong());
    buffered_bytes_ += bytes;
    pending_.push_back({std::move(response), bytes});
  }

  // Starts the next operation, if there is one and none is under way. Whoever sets `writing_` or `finished_` alone
  // calls gRPC, after the lock is gone.
  void Pump() {
    absl::Status status;
    Step step = NextStep(status);
    if (step == Step::kHead) {
      if (std::optional<Response> head = NextHead(); head.has_value()) {
        current_ = {*std::move(head), 0};
        step = Step::kWrite;
      } else {
        {
          absl::MutexLock lock(&mu_);
          head_is_over_ = true;
          writing_ = false;
        }
        step = NextStep(status);
      }
    }
    if (step == Step::kWrite || step == Step::kWriteLast) Amend(current_.response, written_for_);
    if (step == Step::kWrite) {
      write_began_ = absl::Now();
      // Never with a buffer hint: on a busy machine this gRPC then sometimes flushed only at the next keepalive.
      this->StartWrite(&current_.response);
    }
    if (step == Step::kWriteLast) {
      this->StartWriteAndFinish(&current_.response, grpc::WriteOptions(), ToGrpcStatus(status));
    }
    if (step == Step::kFinish) this->Finish(ToGrpcStatus(status));
  }

  Step NextStep(absl::Status& status) {
    absl::MutexLock lock(&mu_);
    if (!released_ || writing_ || finished_) return Step::kNone;
    busy_since_ = absl::Now();
    if (Gone()) {
      DropPending();
      head_is_over_ = true;
    }
    if (!head_is_over_) {
      writing_ = true;
      return Step::kHead;
    }
    if (!pending_.empty()) {
      current_ = std::move(pending_.front());
      pending_.pop_front();
      if (pending_.empty() && final_.has_value()) {
        status = *final_;
        finished_ = true;
        return Step::kWriteLast;
      }
      writing_ = true;
      return Step::kWrite;
    }
    if (!final_.has_value() && !Gone()) return Step::kNone;
    status = final_.value_or(absl::CancelledError("the client has left"));
    finished_ = true;
    return Step::kFinish;
  }

  void DropPending() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    for (const Pending& pending : pending_) buffered_bytes_ -= pending.bytes;
    pending_.clear();
  }

  std::shared_ptr<WriteStream> self_;
  std::atomic<bool> gone_ = false;
  std::atomic<int64_t> buffered_bytes_ = 0;
  absl::Mutex mu_;
  grpc::CallbackServerContext* context_ ABSL_GUARDED_BY(mu_) = nullptr;
  // When the operation under way began, if there is one.
  absl::Time busy_since_ ABSL_GUARDED_BY(mu_);
  std::deque<Pending> pending_ ABSL_GUARDED_BY(mu_);
  // Being written while `writing_`; untouched by others then, as the two below.
  Pending current_ = {};
  absl::Time write_began_;
  absl::Duration written_for_ = absl::ZeroDuration();
  bool released_ ABSL_GUARDED_BY(mu_) = false;
  bool head_is_over_ ABSL_GUARDED_BY(mu_) = false;
  bool writing_ ABSL_GUARDED_BY(mu_) = false;
  bool finished_ ABSL_GUARDED_BY(mu_) = false;
  std::optional<absl::Status> final_ ABSL_GUARDED_BY(mu_);
};

}  // namespace ablate
