#include "server/service.h"

#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/ablate_stream.h"
#include "server/convert.h"
#include "server/errors.h"
#include "server/explain.h"
#include "server/server_info.h"
#include "server/unary_call.h"
#include "server/unknown_fields.h"

namespace ablate {
namespace {

namespace pb = ::ablation::v1;

constexpr int kMaxTexts = 10'000;

// Also where the deadline has passed.
absl::Status GoOn(const grpc::CallbackServerContext& context) {
  return context.IsCancelled() ? absl::CancelledError("the client has left") : absl::OkStatus();
}

absl::Status TokenizeTexts(const pb::TokenizeRequest& request, const Backend& backend,
                           const grpc::CallbackServerContext& context, pb::TokenizeResponse& response) {
  const Engine& engine = *backend.engine;
  absl::Status status = RefuseUnknownFields(request);
  if (!status.ok()) return status;
  if (request.texts().empty() || request.texts_size() > kMaxTexts) {
    return BadField("texts", "TEXT_COUNT_OUT_OF_RANGE",
                    absl::StrCat("got ", request.texts_size(), " texts, expected 1 .. ", kMaxTexts));
  }
  const int32_t bos = engine.Describe().bos_token_id;
  if (request.prepend_bos() && bos < 0) {
    return BadField("prepend_bos", "NO_BOS_TOKEN", "the model's vocabulary has no `<|endoftext|>`");
  }
  int64_t n_tokens = 0;
  for (int i = 0; i < request.texts_size(); ++i) {
    if (status = GoOn(context); !status.ok()) return status;
    const auto ids = engine.tokenizer().Encode(request.texts(i));
    if (!ids.ok()) {
      return BadField(absl::StrCat("texts[", i, "]"), "TEXT_NOT_TOKENIZABLE", ids.status().message());
    }
    n_tokens += static_cast<int64_t>(ids->size()) + (request.prepend_bos() ? 1 : 0);
    if (n_tokens > backend.limits.tokens) return TooManyTokens("texts", i, backend.limits.tokens);
    pb::Tokenization& text = *response.add_texts();
    if (request.prepend_bos()) *text.add_tokens() = MakeToken(bos, engine.tokenizer());
    for (const int32_t id : *ids) *text.add_tokens() = MakeToken(id, engine.tokenizer());
  }
  return absl::OkStatus();
}

grpc::ServerUnaryReactor* Finished(grpc::CallbackServerContext* context, const absl::Status& status) {
  auto* reactor = context->DefaultReactor();
  reactor->Finish(ToGrpcStatus(status));
  return reactor;
}

}  // namespace

grpc::ServerWriteReactor<pb::AblateResponse>* AblationServiceImpl::Ablate(grpc::CallbackServerContext* context,
                                                                          const pb::AblateRequest* request) {
  auto pass = entrance_->Enter(*context, Scope::kScan);
  if (!pass.ok()) return new Refused<grpc::ServerWriteReactor<pb::AblateResponse>>(pass.status());
  return AblateStream::Start(context, request, &backend_, *std::move(pass));
}

grpc::ServerUnaryReactor* AblationServiceImpl::ExplainPlan(grpc::CallbackServerContext* context,
                                                           const pb::ExplainPlanRequest* request,
                                                           pb::ExplainPlanResponse* response) {
  return AnswerInExecutor(
      *entrance_, Scope::kScan, backend_.explanations, context, static_cast<int64_t>(request->ByteSizeLong()),
      [this, context, request, response](const std::string& tenant) {
        auto explained = ablate::ExplainPlan(tenant, *request, backend_, [&] { return GoOn(*context); });
        if (!explained.ok()) return explained.status();
        *response = *std::move(explained);
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* AblationServiceImpl::Tokenize(grpc::CallbackServerContext* context,
                                                        const pb::TokenizeRequest* request,
                                                        pb::TokenizeResponse* response) {
  return AnswerInExecutor(*entrance_, Scope::kScan, backend_.executor, context,
                          static_cast<int64_t>(request->ByteSizeLong()),
                          [this, context, request, response](const std::string& /*tenant*/) {
                            return TokenizeTexts(*request, backend_, *context, *response);
                          });
}

grpc::ServerUnaryReactor* AblationServiceImpl::DescribeModel(grpc::CallbackServerContext* context,
                                                             const pb::DescribeModelRequest* request,
                                                             pb::DescribeModelResponse* response) {
  {
    // Let go before the client knows: it may come back at once.
    const auto pass = entrance_->Enter(*context, std::nullopt);
    if (!pass.ok()) return Finished(context, pass.status());
    const absl::Status known = RefuseUnknownFields(*request);
    if (!known.ok()) return Finished(context, known);
    *response->mutable_model() = MakeModelInfo(backend_.engine->Describe(), backend_.model_name);
    *response->mutable_runtime() = RuntimeOf(backend_);
  }
  return Finished(context, absl::OkStatus());
}

}  // namespace ablate
