// Summaries that are too large, and those that take long.
#include <chrono>
#include <memory>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/scan_call.h"
#include "tests/server/test_server.h"

namespace ablate {
namespace {

namespace pb = ::ablation::v1;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(SummaryLimitsTest, ATableThatDoesNotFitIsRefused) {
  TestServer server;
  server.Serve();
  // (30,000 prompts + 32) x 3 replacements x 21 variants x 32 positions.
  pb::AblateRequest request = AnsweredPrompts(30'000, [](int i) { return std::vector<int32_t>(32, i % 256); });
  request.mutable_sweep()->mutable_pairs();
  for (int r = 0; r < 3; ++r) request.add_replacements()->mutable_scale()->set_factor(static_cast<float>(r));
  request.mutable_readout()->set_all_positions(true);
  request.mutable_summary();
  const ScanResult result = RunScan(server.stub(), request);
  EXPECT_EQ(result.status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(DetailsOf(result.status).info.reason(), "SUMMARY_TOO_LARGE");
  EXPECT_THAT(result.status.error_message(), HasSubstr("60544512 values, expected at most 50000000"));
  EXPECT_THAT(server.device().runs(), IsEmpty());
}

// As many as the executor has threads once kept every other request from being prepared.
TEST(SummaryLimitsTest, LongOnesHoldUpNoOtherRequest) {
  TestServer server;
  server.Serve(1'000'000);
  pb::AblateRequest slow = SummarizedPrompts(3000);
  slow.mutable_sweep()->mutable_pairs();
  slow.mutable_readout()->set_all_positions(true);
  // Some twenty seconds of them, at the best.
  slow.mutable_summary()->set_bootstrap_resamples(100'000);
  struct Call {
    grpc::ClientContext context;
    std::unique_ptr<grpc::ClientReader<pb::AblateResponse>> reader;
  };
  std::vector<Call> calls(2);
  for (Call& call : calls) {
    call.reader = server.stub().Ablate(&call.context, slow);
    pb::AblateResponse response;
    int64_t rows = 0, total = 1;
    while (rows < total && call.reader->Read(&response)) {
      if (response.has_manifest()) total = response.manifest().total_rows();
      rows += response.row_block().variant_size();
    }
    ASSERT_EQ(rows, total);
  }
  pb::AblateRequest quick = SummarizedPrompts(1);
  quick.clear_summary();
  EXPECT_TRUE(RunScan(server.stub(), quick, std::chrono::seconds(8)).status.ok());
  for (Call& call : calls) {
    call.context.TryCancel();
    for (pb::AblateResponse response; call.reader->Read(&response);) {
    }
    EXPECT_EQ(call.reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
  }
}

}  // namespace
}  // namespace ablate
