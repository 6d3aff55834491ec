#include "client/cpp/client.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "client/cpp/call.h"
#include "client/cpp/scan_dispatch.h"
#include "client/cpp/stream_check.h"

namespace ablate::client {

Client::Client(std::string address, std::shared_ptr<grpc::Channel> channel)
    : address_(std::move(address)),
      channel_(std::move(channel)),
      ablation_(v1::AblationService::NewStub(channel_)),
      health_(grpc::health::v1::Health::NewStub(channel_)) {}

absl::StatusOr<std::unique_ptr<Client>> Client::Connect(const std::string& address, const ConnectOptions& options) {
  auto channel = MakeChannel(address, options);
  if (!channel.ok()) return channel.status();
  return std::unique_ptr<Client>(new Client(address, *std::move(channel)));
}

bool Client::AwaitConnection(absl::Duration most) {
  grpc::experimental::ChannelResetConnectionBackoff(channel_.get());
  return channel_->WaitForConnected(absl::ToChronoTime(absl::Now() + most));
}

absl::StatusOr<v1::Completion> Client::Scan(const v1::AblateRequest& request, const ScanHandlers& handlers,
                                            const CallOptions& options) {
  Call call(options);
  StreamCheck check(request);
  ScanDispatch dispatch(&handlers);
  v1::AblateResponse response;
  absl::Status status;
  auto reader = ablation_->Ablate(call.context(), request);
  while (status.ok() && reader->Read(&response)) {
    status = check.Take(response);
    if (status.ok()) status = dispatch.Take(response);
  }
  if (!status.ok()) {
    call.context()->TryCancel();
    while (reader->Read(&response)) continue;
    reader->Finish();
    return status;
  }
  if (status = call.Result(reader->Finish(), address_); !status.ok()) return status;
  if (status = check.End(); !status.ok()) return status;
  return dispatch.TakeCompletion();
}

absl::StatusOr<v1::ExplainPlanResponse> Client::ExplainPlan(const v1::AblateRequest& request,
                                                            const CallOptions& options) {
  Call call(options);
  v1::ExplainPlanRequest explain;
  *explain.mutable_request() = request;
  v1::ExplainPlanResponse response;
  if (auto status = call.Result(ablation_->ExplainPlan(call.context(), explain, &response), address_); !status.ok()) {
    return status;
  }
  return response;
}

absl::StatusOr<v1::TokenizeResponse> Client::Tokenize(const v1::TokenizeRequest& request, const CallOptions& options) {
  Call call(options);
  v1::TokenizeResponse response;
  if (auto status = call.Result(ablation_->Tokenize(call.context(), request, &response), address_); !status.ok()) {
    return status;
  }
  if (response.texts_size() != request.texts_size()) {
    return absl::InternalError(absl::StrCat("the server broke the contract: it tokenised ", response.texts_size(),
                                            " of ", request.texts_size(), " texts"));
  }
  return response;
}

absl::StatusOr<v1::DescribeModelResponse> Client::Describe(const CallOptions& options) {
  Call call(options);
  v1::DescribeModelResponse response;
  if (auto status = call.Result(ablation_->DescribeModel(call.context(), {}, &response), address_); !status.ok()) {
    return status;
  }
  return response;
}

absl::StatusOr<v1::MeanLibrary> Client::ComputeMeans(const v1::ComputeMeansRequest& request,
                                                     const std::function<void(int32_t prompts_done)>& on_progress,
                                                     const CallOptions& options) {
  Call call(options);
  std::optional<v1::MeanLibrary> library;
  v1::ComputeMeansResponse response;
  auto reader = ablation_->ComputeMeans(call.context(), request);
  while (reader->Read(&response)) {
    if (response.has_library()) {
      library = std::move(*response.mutable_library());
    } else if (on_progress) {
      on_progress(response.prompts_done());
    }
  }
  if (auto status = call.Result(reader->Finish(), address_); !status.ok()) return status;
  if (!library) return absl::DataLossError("the stream ended without the library");
  return *std::move(library);
}

absl::StatusOr<std::vector<v1::MeanLibrary>> Client::ListMeanLibraries(const CallOptions& options) {
  std::vector<v1::MeanLibrary> libraries;
  v1::ListMeanLibrariesRequest request;
  request.set_page_size(1000);
  do {
    Call call(options);
    v1::ListMeanLibrariesResponse page;
    if (auto status = call.Result(ablation_->ListMeanLibraries(call.context(), request, &page), address_);
        !status.ok()) {
      return status;
    }
    for (auto& library : *page.mutable_libraries()) libraries.push_back(std::move(library));
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  return libraries;
}

absl::Status Client::DeleteMeanLibrary(const std::string& id, const CallOptions& options) {
  Call call(options);
  v1::DeleteMeanLibraryRequest request;
  request.set_id(id);
  v1::DeleteMeanLibraryResponse response;
  return call.Result(ablation_->DeleteMeanLibrary(call.context(), request, &response), address_);
}

absl::Status Client::ExportMeanLibrary(const std::string& id,
                                       const std::function<absl::Status(absl::string_view data)>& on_data,
                                       const CallOptions& options) {
  Call call(options);
  v1::ExportMeanLibraryRequest request;
  request.set_id(id);
  v1::ExportMeanLibraryResponse response;
  absl::Status status;
  auto reader = ablation_->ExportMeanLibrary(call.context(), request);
  while (status.ok() && reader->Read(&response)) status = on_data(response.data());
  if (!status.ok()) {
    call.context()->TryCancel();
    while (reader->Read(&response)) continue;
    reader->Finish();
    return status;
  }
  return call.Result(reader->Finish(), address_);
}

absl::StatusOr<v1::MeanLibrary> Client::ImportMeanLibrary(const std::function<absl::StatusOr<std::string>()>& next,
                                                          const CallOptions& options) {
  Call call(options);
  v1::ImportMeanLibraryResponse response;
  auto writer = ablation_->ImportMeanLibrary(call.context(), &response);
  v1::ImportMeanLibraryRequest request;
  absl::StatusOr<std::string> piece = next();
  for (; piece.ok() && !piece->empty(); piece = next()) {
    request.set_data(std::move(*piece));
    // The server has ended the call; Finish tells why.
    if (!writer->Write(request)) break;
  }
  if (!piece.ok()) {
    call.context()->TryCancel();
    writer->Finish();
    return piece.status();
  }
  writer->WritesDone();
  if (auto status = call.Result(writer->Finish(), address_); !status.ok()) return status;
  return std::move(*response.mutable_library());
}

absl::StatusOr<grpc::health::v1::HealthCheckResponse::ServingStatus> Client::Health(const CallOptions& options) {
  Call call(options);
  grpc::health::v1::HealthCheckResponse response;
  if (auto status = call.Result(health_->Check(call.context(), {}, &response), address_); !status.ok()) return status;
  return response.status();
}

}  // namespace ablate::client
