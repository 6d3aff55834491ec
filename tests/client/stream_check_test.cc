#include "client/cpp/stream_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <ostream>
#include <string>
#include <vector>

#include "tests/client/fixtures.h"

namespace ablate::client {
namespace {

using ablation::v1::AblateResponse;
using ablation::v1::Manifest;
using ablation::v1::RowBlock;

AblateResponse Message(const Manifest& manifest) {
  AblateResponse response;
  *response.mutable_manifest() = manifest;
  return response;
}

AblateResponse Message(const RowBlock& block) {
  AblateResponse response;
  *response.mutable_block() = block;
  return response;
}

AblateResponse Done(int64_t rows) {
  AblateResponse response;
  response.mutable_completion()->set_rows(rows);
  return response;
}

std::vector<testing::RowId> All() {
  return {{0, 0}, {0, 1}, {0, 2}, {0, 3}, {0, -1}};
}

absl::Status Check(const std::vector<AblateResponse>& stream, int top_k = 0) {
  StreamCheck check(1, top_k);
  for (const auto& message : stream) {
    if (auto status = check.Take(message); !status.ok()) return status;
  }
  return check.End();
}

TEST(StreamCheckTest, TakesAWholeStreamCutAnyWay) {
  EXPECT_TRUE(Check({Message(testing::MakeManifest()), Message(testing::MakeBlock(All())), Done(5)}).ok());
  EXPECT_TRUE(Check({Message(testing::MakeManifest()), Message(testing::MakeBlock({{0, 3}, {0, 0}}, 2)),
                     Message(testing::MakeBlock({{0, -1}, {0, 2}, {0, 1}}, 2)), Done(5)},
                    2)
                  .ok());
}

TEST(StreamCheckTest, WithoutCompletionItIsIncomplete) {
  const auto status = Check({Message(testing::MakeManifest()), Message(testing::MakeBlock({{0, 0}, {0, 1}}))});
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()), ::testing::HasSubstr("after 2 of 5 rows"));
  EXPECT_EQ(Check({}).code(), absl::StatusCode::kDataLoss);
}

TEST(StreamCheckTest, PassesOverAPayloadOfANewerContract) {
  const auto status =
      Check({Message(testing::MakeManifest()), AblateResponse(), Message(testing::MakeBlock(All())), Done(5)});
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_FALSE(Check({AblateResponse(), Message(testing::MakeManifest())}).ok());
}

struct Broken {
  std::string name;
  std::function<std::vector<AblateResponse>()> stream;
  std::string says;
};

RowBlock With(const std::function<void(RowBlock*)>& change) {
  RowBlock block = testing::MakeBlock(All());
  change(&block);
  return block;
}

std::vector<AblateResponse> AfterManifest(const RowBlock& block) {
  return {Message(testing::MakeManifest()), Message(block), Done(5)};
}

// For the names that CTest shows.
void PrintTo(const Broken& broken, std::ostream* out) {
  *out << broken.name;
}

class StreamCheckBrokenTest : public ::testing::TestWithParam<Broken> {};

TEST_P(StreamCheckBrokenTest, IsNamed) {
  const auto status = Check(GetParam().stream());
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(status.message()), ::testing::HasSubstr(GetParam().says));
}

INSTANTIATE_TEST_SUITE_P(
    Table, StreamCheckBrokenTest,
    ::testing::Values(
        Broken{"NoManifest", [] { return std::vector{Message(testing::MakeBlock(All()))}; }, "begin with a manifest"},
        Broken{"TwoManifests",
               [] { return std::vector{Message(testing::MakeManifest()), Message(testing::MakeManifest())}; },
               "second manifest"},
        Broken{"PromptsDiffer", [] { return std::vector{Message(testing::MakeManifest(2))}; }, "holds 2 prompts"},
        Broken{"TotalRowsWrong",
               [] {
                 auto manifest = testing::MakeManifest();
                 manifest.set_total_rows(6);
                 return std::vector{Message(manifest)};
               },
               "announces 6 rows, expected 5"},
        Broken{"RowTwice",
               [] {
                 return std::vector{Message(testing::MakeManifest()), Message(testing::MakeBlock(All())),
                                    Message(testing::MakeBlock({{0, 2}}))};
               },
               "variant 2 came twice"},
        Broken{"RowMissing",
               [] {
                 return std::vector{Message(testing::MakeManifest()), Message(testing::MakeBlock({{0, 0}})), Done(5)};
               },
               "1 came"},
        Broken{
            "CompletionMiscounts",
            [] { return std::vector{Message(testing::MakeManifest()), Message(testing::MakeBlock(All())), Done(4)}; },
            "counts 4 rows"},
        Broken{"MessageAfterCompletion",
               [] {
                 return std::vector{Message(testing::MakeManifest()), Message(testing::MakeBlock(All())), Done(5),
                                    Done(5)};
               },
               "after the completion"},
        Broken{"ShortColumn",
               [] { return AfterManifest(With([](RowBlock* b) { b->mutable_entropy()->RemoveLast(); })); },
               "column entropy has 4 entries"},
        Broken{"NoPromptIndex", [] { return AfterManifest(With([](RowBlock* b) { b->clear_prompt_index(); })); },
               "prompt_index"},
        Broken{"TopKUnasked", [] { return AfterManifest(testing::MakeBlock(All(), 1)); }, "top_k_id has 5"},
        Broken{"NaN", [] { return AfterManifest(With([](RowBlock* b) { b->set_target_logprob(2, std::nan("")); })); },
               "target_logprob holds nan (prompt 0, variant 2)"},
        Broken{"Infinite", [] { return AfterManifest(With([](RowBlock* b) { b->set_kl_divergence(0, HUGE_VAL); })); },
               "kl_divergence holds inf"},
        Broken{"VariantOutOfRange", [] { return AfterManifest(With([](RowBlock* b) { b->set_variant(0, 4); })); },
               "variant 4 of 4"},
        Broken{"VariantTooSmall", [] { return AfterManifest(With([](RowBlock* b) { b->set_variant(0, -2); })); },
               "variant -2"},
        Broken{"PromptOutOfRange", [] { return AfterManifest(With([](RowBlock* b) { b->set_prompt_index(0, 1); })); },
               "prompt 1 of 1"}),
    [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace ablate::client
