// The calls that make, list, delete and move mean libraries.
#pragma once

#include "ablation/v1/service.grpc.pb.h"
#include "server/auth/entrance.h"
#include "server/backend.h"
#include "server/budget.h"
#include "server/means/mean_library.h"

namespace ablate {

// As AblationService's methods; each lets its call in through the entrance. Thread-safe.
class MeansService {
 public:
  // Both must outlive it; `backend` is read only by who holds a pass.
  MeansService(Entrance* entrance, const Backend* backend) : entrance_(entrance), backend_(backend) {}

  grpc::ServerWriteReactor<ablation::v1::ComputeMeansResponse>* Compute(
      grpc::CallbackServerContext* context, const ablation::v1::ComputeMeansRequest* request);
  grpc::ServerUnaryReactor* List(grpc::CallbackServerContext* context,
                                 const ablation::v1::ListMeanLibrariesRequest* request,
                                 ablation::v1::ListMeanLibrariesResponse* response);
  grpc::ServerUnaryReactor* Delete(grpc::CallbackServerContext* context,
                                   const ablation::v1::DeleteMeanLibraryRequest* request,
                                   ablation::v1::DeleteMeanLibraryResponse* response);
  grpc::ServerWriteReactor<ablation::v1::ExportMeanLibraryResponse>* Export(
      grpc::CallbackServerContext* context, const ablation::v1::ExportMeanLibraryRequest* request);
  grpc::ServerReadReactor<ablation::v1::ImportMeanLibraryRequest>* Import(
      grpc::CallbackServerContext* context, ablation::v1::ImportMeanLibraryResponse* response);

 private:
  Entrance* const entrance_;
  const Backend* const backend_;
  // Two of the largest at once, or many small ones.
  Budget budget_{"bytes of mean libraries", 2 * kMaxMeanBytes};
};

}  // namespace ablate
