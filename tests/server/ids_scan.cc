#include "tests/server/ids_scan.h"

#include "gtest/gtest.h"
#include "tests/server/test_server.h"

namespace ablate {
namespace pb = ::ablation::v1;

pb::AblateRequest IdsRequest(const std::vector<int32_t>& ids) {
  pb::AblateRequest request;
  for (const int32_t id : ids) {
    if (request.prompts().empty()) request.add_prompts();
    request.mutable_prompts(0)->mutable_token_ids()->add_ids(id);
  }
  request.mutable_prompts(0)->add_targets()->set_id(kTarget);
  request.mutable_prompts(0)->add_contrasts()->set_id(kContrast);
  return request;
}

ScanResult ResultOf(const pb::AblateRequest& request, FakeBlocks blocks) {
  TestServer server;
  server.Serve();
  server.device().SetBlocks(blocks);
  ScanResult result = RunScan(server.stub(), request);
  EXPECT_TRUE(result.status.ok()) << result.status.error_message();
  return result;
}

Site SiteAt(int index) {
  return {index / FakeEngine::kHeads, index % FakeEngine::kHeads};
}

double Residual(const std::vector<int32_t>& ids, const std::vector<int>& sites, int32_t position, PositionRange range) {
  Variant variant;
  for (const int site : sites) variant.edits.push_back({.site = SiteAt(site), .positions = range});
  Scan scan;
  scan.token_ids = ids;
  return FakeEngine::Residual(scan, variant, position);
}

double LogitDiff(double residual) {
  return FakeEngine::Logit(residual, kTarget) - FakeEngine::Logit(residual, kContrast);
}

}  // namespace ablate
