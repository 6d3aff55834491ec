// Calls of one answer, and calls that end before they began.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include "grpcpp/server_context.h"
#include "grpcpp/support/server_callback.h"
#include "server/auth/entrance.h"
#include "server/errors.h"
#include "server/executor.h"

namespace ablate {

// A reactor that only says why.
template <typename Reactor>
class Refused final : public Reactor {
 public:
  explicit Refused(const absl::Status& status) { this->Finish(ToGrpcStatus(status)); }
  void OnDone() override { delete this; }
};

// Lets the call in and runs `work`, which is given the tenant and gives the call's status, in the executor: for what
// reads files or takes long. `bytes` is what the request holds while it waits. Request and response stay valid until it
// is done.
template <typename Work>
grpc::ServerUnaryReactor* AnswerInExecutor(Entrance& entrance, Scope needed, Executor* const& executor,
                                           grpc::CallbackServerContext* context, int64_t bytes, Work work) {
  auto* reactor = context->DefaultReactor();
  auto pass = entrance.Enter(*context, needed);
  if (!pass.ok()) {
    reactor->Finish(ToGrpcStatus(pass.status()));
    return reactor;
  }
  // Shared, since std::function wants to be copied; let go before Finish, behind which nothing here may be touched.
  auto held = std::make_shared<Gate::Pass>(*std::move(pass));
  const absl::Status queued = executor->Submit(bytes, [work, reactor, held = std::move(held)]() mutable {
    const absl::Status status = work(held->tenant());
    held.reset();
    reactor->Finish(ToGrpcStatus(status));
  });
  if (!queued.ok()) reactor->Finish(ToGrpcStatus(queued));
  return reactor;
}

}  // namespace ablate
