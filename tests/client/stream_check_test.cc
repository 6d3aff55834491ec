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
using ablation::v1::RowBlock;

AblateResponse Message(const RowBlock& block) {
  AblateResponse response;
  *response.mutable_row_block() = block;
  return response;
}

using Stream = std::vector<AblateResponse>;

// The fixtures' manifest, variants and prompts, then `rest`.
Stream AfterHead(const Stream& rest, int n_prompts = 1) {
  Stream stream = testing::HeadMessages(testing::MakeManifest(n_prompts));
  stream.insert(stream.end(), rest.begin(), rest.end());
  return stream;
}

// The head with one of its messages changed.
Stream HeadWith(size_t at, const std::function<void(AblateResponse&)>& change) {
  Stream stream = AfterHead({Message(testing::MakeBlock({{0, 0}}))});
  change(stream.at(at));
  return stream;
}

Stream HeadWithout(size_t at) {
  Stream stream = AfterHead({Message(testing::MakeBlock({{0, 0}}))});
  stream.erase(stream.begin() + static_cast<std::ptrdiff_t>(at));
  return stream;
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
  EXPECT_TRUE(Check(AfterHead({Message(testing::MakeBlock(All())), Done(5)})).ok());
  EXPECT_TRUE(Check(AfterHead({Message(testing::MakeBlock({{0, 3}, {0, 0}}, 2)),
                               Message(testing::MakeBlock({{0, -1}, {0, 2}, {0, 1}}, 2)), Done(5)}),
                    2)
                  .ok());
  // The variants one by one.
  Stream stream = HeadWith(1, [](AblateResponse& message) {
    message.mutable_variant_block()->mutable_variants()->DeleteSubrange(0, 3);
    message.mutable_variant_block()->set_first_variant(3);
  });
  for (int v = 2; v >= 0; --v) {
    AblateResponse message;
    message.mutable_variant_block()->set_first_variant(v);
    message.mutable_variant_block()->add_variants();
    stream.insert(stream.begin() + 1, message);
  }
  stream.back() = Message(testing::MakeBlock(All()));
  stream.push_back(Done(5));
  EXPECT_TRUE(Check(stream).ok()) << Check(stream);
}

TEST(StreamCheckTest, WithoutCompletionItIsIncomplete) {
  const auto status = Check(AfterHead({Message(testing::MakeBlock({{0, 0}, {0, 1}}))}));
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()), ::testing::HasSubstr("after 2 of 5 rows"));
  EXPECT_EQ(Check({}).code(), absl::StatusCode::kDataLoss);
}

TEST(StreamCheckTest, PassesOverAPayloadOfANewerContract) {
  const Stream stream = AfterHead({Message(testing::MakeBlock(All())), Done(5)});
  for (size_t at = 1; at < stream.size(); ++at) {
    Stream with = stream;
    with.insert(with.begin() + static_cast<std::ptrdiff_t>(at), AblateResponse());
    EXPECT_TRUE(Check(with).ok()) << at << ": " << Check(with);
  }
  Stream before = stream;
  before.insert(before.begin(), AblateResponse());
  EXPECT_FALSE(Check(before).ok());
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
  return AfterHead({Message(block), Done(5)});
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
        Broken{"TwoManifests", [] { return AfterHead(testing::HeadMessages(testing::MakeManifest())); },
               "second manifest"},
        Broken{"PromptsDiffer", [] { return AfterHead({}, 2); }, "announces 2 prompts, the request holds 1"},
        Broken{"TotalRowsWrong",
               [] { return HeadWith(0, [](AblateResponse& m) { m.mutable_manifest()->set_total_rows(6); }); },
               "announces 6 rows, expected 5"},
        Broken{"NegativeVariants",
               [] { return HeadWith(0, [](AblateResponse& m) { m.mutable_manifest()->set_n_variants(-1); }); },
               "expected 0 (1 prompts x (1 + -1 variants))"},
        Broken{"VariantsMissing", [] { return HeadWithout(1); }, "prompts came after 0 of 4 variants"},
        Broken{"PromptsMissing", [] { return HeadWithout(2); }, "rows came after 4 of 4 variants and 0 of 1 prompts"},
        Broken{"VariantsWithAGap",
               [] { return HeadWith(1, [](AblateResponse& m) { m.mutable_variant_block()->set_first_variant(1); }); },
               "4 variants begins at 1; 0 of 4 have come"},
        Broken{"TooManyVariants",
               [] { return HeadWith(1, [](AblateResponse& m) { m.mutable_variant_block()->add_variants(); }); },
               "5 variants begins at 0"},
        Broken{"NoVariantInABlock",
               [] { return HeadWith(1, [](AblateResponse& m) { m.mutable_variant_block()->clear_variants(); }); },
               "0 variants begins at 0"},
        Broken{"PromptsTwice", [] { return AfterHead({testing::HeadMessages(testing::MakeManifest())[2]}); },
               "1 prompts begins at 0; 1 of 1 have come"},
        Broken{"VariantsBehindThePrompts",
               [] { return AfterHead({testing::HeadMessages(testing::MakeManifest())[1]}); },
               "4 variants begins at 0; 4 of 4 have come"},
        Broken{"RowTwice",
               [] { return AfterHead({Message(testing::MakeBlock(All())), Message(testing::MakeBlock({{0, 2}}))}); },
               "variant 2 came twice"},
        Broken{"RowMissing", [] { return AfterHead({Message(testing::MakeBlock({{0, 0}})), Done(5)}); }, "1 came"},
        Broken{"CompletionMiscounts", [] { return AfterHead({Message(testing::MakeBlock(All())), Done(4)}); },
               "counts 4 rows"},
        Broken{"MessageAfterCompletion",
               [] { return AfterHead({Message(testing::MakeBlock(All())), Done(5), Done(5)}); },
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
