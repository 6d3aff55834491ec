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
  ablation::v1::AblateRequest request;
  request.add_prompts();
  request.mutable_readout()->set_top_k(top_k);
  StreamCheck check(request);
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
               "announces 6 rows, expected 5 (1 prompt, 4 variants, 1 replacement)"},
        Broken{"NothingButACompletion",
               [] {
                 Stream stream = HeadWith(0, [](AblateResponse& m) { m.mutable_manifest()->set_total_rows(0); });
                 stream.resize(1);
                 stream.push_back(Done(0));
                 return stream;
               },
               "the completion came after 0 of 4 variants and 0 of 1 prompts"},
        Broken{"NegativeVariants",
               [] { return HeadWith(0, [](AblateResponse& m) { m.mutable_manifest()->set_n_variants(-1); }); },
               "announces -1 variants"},
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
               "the row of prompt 0, variant 2, position 1 came twice"},
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

// A stream of everything: three replacements, one of them of pairs, swept positions, two of them read, and all that may
// stand beside the rows.
class WholeStreamTest : public ::testing::Test {
 protected:
  WholeStreamTest() {
    request_.add_prompts();
    request_.add_prompts();
    request_.mutable_sweep()->mutable_pairs();
    request_.mutable_readout()->set_effects(true);
    request_.mutable_edit_positions()->set_each(true);
    request_.mutable_readout()->set_likelihood(true);
    request_.mutable_readout()->set_compensation(true);
    request_.mutable_summary();
    manifest_ = testing::MakeManifest(2);
    for (auto& prompt : manifest_.prompts) {
      prompt.clear_read_positions();
      prompt.add_read_positions(0);
      prompt.add_read_positions(1);
    }
    testing::AddReplacements(&manifest_);
    *request_.mutable_replacements() = manifest_.head.replacements();
    *manifest_.head.mutable_readout() = request_.readout();
    *manifest_.head.mutable_sweep() = request_.sweep();
    testing::SweepPositions(&manifest_);
  }

  Stream Whole() const {
    Stream stream = testing::HeadMessages(manifest_);
    for (int p = 0; p < 2; ++p) {
      *stream.emplace_back().mutable_likelihood_block() = testing::MakeLikelihood(manifest_, p);
      *stream.emplace_back().mutable_row_block() = testing::MakeBlock(manifest_, testing::RowsOf(manifest_, p));
      *stream.emplace_back().mutable_compensation_block() = testing::MakeCompensation(manifest_, p);
    }
    *stream.emplace_back().mutable_summary_head() = testing::MakeSummaryHead(manifest_);
    *stream.emplace_back().mutable_summary_block() = testing::MakeSummary(manifest_);
    stream.push_back(Done(manifest_.head.total_rows()));
    return stream;
  }

  // The first message that holds `payload`.
  static AblateResponse& First(Stream& stream, AblateResponse::PayloadCase payload) {
    for (auto& message : stream) {
      if (message.payload_case() == payload) return message;
    }
    ADD_FAILURE() << "no such message";
    return stream[0];
  }

  std::string Say(const Stream& stream) const {
    StreamCheck check(request_);
    absl::Status status;
    for (const auto& message : stream) status.Update(check.Take(message));
    status.Update(check.End());
    return std::string(status.message());
  }

  ablation::v1::AblateRequest request_;
  ScanManifest manifest_;
};

TEST_F(WholeStreamTest, IsTaken) {
  // 2 read positions x (2 unedited runs + 3 replacements x 4 variants x 2 edit positions), for both prompts.
  EXPECT_EQ(manifest_.head.total_rows(), 2 * 2 * (2 + 3 * 4 * 2));
  EXPECT_EQ(Say(Whole()), "");
}

TEST_F(WholeStreamTest, EveryMessageIsMissed) {
  const Stream whole = Whole();
  for (size_t at = 0; at < whole.size(); ++at) {
    Stream without = whole;
    without.erase(without.begin() + static_cast<std::ptrdiff_t>(at));
    EXPECT_NE(Say(without), "") << at;
  }
}

TEST_F(WholeStreamTest, EveryBlockTwiceIsSeen) {
  const Stream whole = Whole();
  for (size_t at = 3; at < whole.size(); ++at) {
    Stream twice = whole;
    twice.insert(twice.begin() + static_cast<std::ptrdiff_t>(at), whole[at]);
    EXPECT_NE(Say(twice), "") << at;
  }
}

struct Fault {
  const char* name;
  AblateResponse::PayloadCase payload;
  std::function<void(AblateResponse&)> change;
  const char* says;
};

TEST_F(WholeStreamTest, NamesEachFault) {
  using P = AblateResponse;
  const std::vector<Fault> faults = {
      {"replacements differ", P::kManifest, [](P& m) { m.mutable_manifest()->mutable_replacements()->RemoveLast(); },
       "has 2 replacements, the request asks for 3"},
      {"not swept", P::kManifest, [](P& m) { m.mutable_manifest()->clear_edit_positions(); }, "not swept over"},
      {"no read position", P::kPromptBlock,
       [](P& m) { m.mutable_prompt_block()->mutable_prompts(0)->clear_read_positions(); },
       "read positions of prompt 0"},
      {"read position out of range", P::kPromptBlock,
       [](P& m) { m.mutable_prompt_block()->mutable_prompts(0)->set_read_positions(1, 2); }, "of its 2 tokens"},
      {"edit positions fall", P::kPromptBlock,
       [](P& m) { m.mutable_prompt_block()->mutable_prompts(0)->set_edit_positions(0, 1); },
       "edit positions of prompt 0"},
      {"no replacement column", P::kRowBlock, [](P& m) { m.mutable_row_block()->clear_replacement(); },
       "column replacement has 0"},
      {"no edit position column", P::kRowBlock, [](P& m) { m.mutable_row_block()->clear_edit_position(); },
       "column edit_position has 0"},
      {"no position column", P::kRowBlock, [](P& m) { m.mutable_row_block()->clear_position(); },
       "column position has 0"},
      {"replacement out of range", P::kRowBlock, [](P& m) { m.mutable_row_block()->set_replacement(4, 3); },
       "names replacement 3 of 3"},
      {"an unedited run's replacement", P::kRowBlock, [](P& m) { m.mutable_row_block()->set_replacement(0, 0); },
       "names replacement 0"},
      {"an unedited run's edit position", P::kRowBlock, [](P& m) { m.mutable_row_block()->set_edit_position(0, 0); },
       "names edit position 0"},
      {"edit position out of range", P::kRowBlock, [](P& m) { m.mutable_row_block()->set_edit_position(4, 2); },
       "names edit position 2"},
      {"position not read", P::kRowBlock, [](P& m) { m.mutable_row_block()->set_position(0, 2); },
       "names position 2, which is none"},
      {"token log-probs cut", P::kLikelihoodBlock,
       [](P& m) { m.mutable_likelihood_block()->mutable_token_logprob()->RemoveLast(); },
       "column token_logprob has 25"},
      {"NLL not finite", P::kLikelihoodBlock, [](P& m) { m.mutable_likelihood_block()->set_mean_nll(1, HUGE_VAL); },
       "mean_nll holds inf (prompt 0, variant -2)"},
      {"likelihood of no prompt", P::kLikelihoodBlock, [](P& m) { m.mutable_likelihood_block()->set_prompt_index(2); },
       "likelihoods name prompt 2 of 2"},
      {"heads cut", P::kCompensationBlock, [](P& m) { m.mutable_compensation_block()->mutable_heads()->RemoveLast(); },
       "column heads has 191"},
      {"compensation of a baseline", P::kCompensationBlock,
       [](P& m) {
         auto* block = m.mutable_compensation_block();
         block->set_variant(0, -1);
         block->set_replacement(0, -1);
         block->set_edit_position(0, -1);
       },
       "of the unedited run"},
      {"summary of no variant", P::kSummaryBlock, [](P& m) { m.mutable_summary_block()->set_variant(0, 4); },
       "names variant 4 of 4"},
      {"summary of no replacement", P::kSummaryBlock, [](P& m) { m.mutable_summary_block()->set_replacement(0, 3); },
       "names replacement 3 of 3"},
      {"summary of no read position", P::kSummaryBlock, [](P& m) { m.mutable_summary_block()->set_read_index(0, 2); },
       "names read position 2 of 2"},
      {"summary of no edit position", P::kSummaryBlock,
       [](P& m) { m.mutable_summary_block()->set_edit_position(0, 2); }, "names edit position 2"},
      {"effects left out", P::kRowBlock, [](P& m) { m.mutable_row_block()->clear_direct_effect_live(); },
       "column direct_effect_live has 0"},
      {"interactions left out", P::kRowBlock, [](P& m) { m.mutable_row_block()->clear_interaction(); },
       "column interaction has 0"},
      {"no KL to the clean run", P::kRowBlock, [](P& m) { m.mutable_row_block()->clear_kl_to_clean(); },
       "column kl_to_clean has 0"},
      {"an unknown prompt chose", P::kManifest,
       [](P& m) { m.mutable_manifest()->mutable_selection()->add_prompt_index(2); }, "names prompt 2 of 2"},
      {"all prompts chose", P::kManifest,
       [](P& m) {
         for (int p = 0; p < 2; ++p) m.mutable_manifest()->mutable_selection()->add_prompt_index(p);
       },
       "all 2 prompts chose"},
      {"summary infinite", P::kSummaryBlock, [](P& m) { m.mutable_summary_block()->set_std(0, HUGE_VAL); },
       "std holds inf"},
  };
  for (const Fault& fault : faults) {
    Stream stream = Whole();
    fault.change(First(stream, fault.payload));
    EXPECT_THAT(Say(stream), ::testing::HasSubstr(fault.says)) << fault.name;
  }
}

TEST_F(WholeStreamTest, EveryEntryOfWhatStandsBesideTheRowsIsMissed) {
  const Stream whole = Whole();
  for (size_t at = 0; at < whole.size(); ++at) {
    // Two tokens a prompt: one log-prob a run.
    const auto remove_last = [](google::protobuf::Message* block) {
      const auto* reflection = block->GetReflection();
      for (int f = 0; f < block->GetDescriptor()->field_count(); ++f) {
        const auto* field = block->GetDescriptor()->field(f);
        if (!field->is_repeated()) continue;
        if (reflection->FieldSize(*block, field) > 0) reflection->RemoveLast(block, field);
      }
    };
    Stream without = whole;
    if (without[at].has_likelihood_block()) {
      remove_last(without[at].mutable_likelihood_block());
      EXPECT_THAT(Say(without), ::testing::HasSubstr("after the likelihoods of 51 of 52 runs"));
    } else if (without[at].has_summary_block()) {
      remove_last(without[at].mutable_summary_block());
      EXPECT_THAT(Say(without), ::testing::HasSubstr("after 47 of the summary's 48 entries"));
    }
  }
}

TEST_F(WholeStreamTest, WithoutAPrimaryMetricThereAreNoInteractions) {
  manifest_.head.clear_primary_metric();
  Stream stream = Whole();
  for (auto& message : stream) {
    if (message.has_row_block()) message.mutable_row_block()->clear_interaction();
  }
  EXPECT_EQ(Say(stream), "");
}

TEST_F(WholeStreamTest, TheSummaryCountsPositionsFromTheEndOfUnequalPrompts) {
  Stream stream = Whole();
  auto* block = First(stream, AblateResponse::kSummaryBlock).mutable_summary_block();
  for (int& position : *block->mutable_edit_position()) position -= 2;
  EXPECT_EQ(Say(stream), "");
}

TEST_F(WholeStreamTest, WhatWasNotAskedForIsRefused) {
  request_.mutable_readout()->set_likelihood(false);
  EXPECT_THAT(Say(Whole()), ::testing::HasSubstr("likelihoods came, which the request does not ask for"));
  request_.mutable_readout()->set_likelihood(true);
  request_.mutable_readout()->set_compensation(false);
  EXPECT_THAT(Say(Whole()), ::testing::HasSubstr("compensations came, which the request does not ask for"));
  request_.mutable_readout()->set_compensation(true);
  request_.clear_summary();
  EXPECT_THAT(Say(Whole()), ::testing::HasSubstr("a summary came, which the request does not ask for"));
}

}  // namespace
}  // namespace ablate::client
