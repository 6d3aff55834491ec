// Calls whose request is a job's id.
#pragma once

#include <string>

#include "ablation/v1/service.grpc.pb.h"

namespace ablate {

template <typename Response>
struct AnswerById {
  grpc::Status status;
  Response response;
};

template <typename Request, typename Response>
AnswerById<Response> CallById(ablation::v1::AblationService::Stub& stub,
                              grpc::Status (ablation::v1::AblationService::Stub::*call)(grpc::ClientContext*,
                                                                                        const Request&, Response*),
                              const std::string& id) {
  grpc::ClientContext context;
  Request request;
  request.set_id(id);
  AnswerById<Response> answer;
  answer.status = (stub.*call)(&context, request, &answer.response);
  return answer;
}

}  // namespace ablate
