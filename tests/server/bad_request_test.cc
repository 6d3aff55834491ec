// The bad-request table: what each mistake is answered with. Printed, so that the messages can be read as a user would.
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/scan_call.h"
#include "tests/server/test_server.h"

namespace ablate {
namespace {

namespace pb = ::ablation::v1;
using ::testing::HasSubstr;

struct BadRequestCase {
  std::string name;
  std::function<void(pb::AblateRequest&)> damage;
  std::string field;
  std::string reason;
  // Must stand in the message.
  std::string message;
};

// Two good prompts; each case spoils something.
pb::AblateRequest GoodRequest() {
  pb::AblateRequest request = ScanRequest("Berlin is");
  *request.add_prompts() = ScanRequest("Berlin is").prompts(0);
  return request;
}

std::vector<BadRequestCase> Cases() {
  return {
      {"NoPrompts", [](auto& r) { r.clear_prompts(); }, "prompts", "PROMPT_COUNT_OUT_OF_RANGE",
       "got 0 prompts, expected 1 .. 100000"},
      {"TooManyPrompts",
       [](auto& r) {
         for (int i = 0; i < 100'000; ++i) r.add_prompts();
       },
       "prompts", "PROMPT_COUNT_OUT_OF_RANGE", "got 100002 prompts"},
      {"NoInput", [](auto& r) { r.mutable_prompts(1)->clear_input(); }, "prompts[1]", "PROMPT_MISSING",
       "neither `text` nor `token_ids` is set"},
      {"EmptyPrompt", [](auto& r) { r.mutable_prompts(1)->set_text(""); }, "prompts[1].text", "PROMPT_EMPTY",
       "the prompt is empty, expected at least one token"},
      {"EmptyIds", [](auto& r) { r.mutable_prompts(1)->mutable_token_ids(); }, "prompts[1].token_ids", "PROMPT_EMPTY",
       "the prompt is empty"},
      {"TooLongPrompt", [](auto& r) { r.mutable_prompts(0)->set_text(std::string(33, 'x')); }, "prompts[0].text",
       "PROMPT_TOO_LONG", "has 33 tokens, expected at most 32"},
      {"TooLongWithBos",
       [](auto& r) {
         r.set_prepend_bos(true);
         r.mutable_prompts(0)->set_text(std::string(32, 'x'));
       },
       "prompts[0].text", "PROMPT_TOO_LONG", "has 33 tokens with BOS"},
      {"PromptIdTooLarge",
       [](auto& r) {
         r.mutable_prompts(1)->mutable_token_ids()->add_ids(1);
         r.mutable_prompts(1)->mutable_token_ids()->add_ids(261);
       },
       "prompts[1].token_ids.ids[1]", "TOKEN_ID_OUT_OF_RANGE", "got id 261, expected 0 .. 260"},
      {"TargetOfTwoTokens", [](auto& r) { r.mutable_prompts(1)->mutable_target()->set_text(" Germanyy"); },
       "prompts[1].target.text", "NOT_ONE_TOKEN",
       "\" Germanyy\" is 2 tokens, expected exactly one: \" Germany\" (259), \"y\" (121)"},
      {"TargetOfManyTokens", [](auto& r) { r.mutable_prompts(0)->mutable_target()->set_text(std::string(5000, 'a')); },
       "prompts[0].target.text", "NOT_ONE_TOKEN", "is 5000 tokens, expected exactly one: \"a\" (97)"},
      {"ContrastOfTwoTokens", [](auto& r) { r.mutable_prompts(0)->mutable_contrast()->set_text("\n\""); },
       "prompts[0].contrast.text", "NOT_ONE_TOKEN", "\"\\n\\\"\" is 2 tokens"},
      {"EmptyTarget", [](auto& r) { r.mutable_prompts(0)->mutable_target()->set_text(""); }, "prompts[0].target.text",
       "TOKEN_TEXT_EMPTY", "the text is empty, expected one token"},
      {"TargetWithoutRef", [](auto& r) { r.mutable_prompts(0)->mutable_target()->clear_ref(); }, "prompts[0].target",
       "TOKEN_MISSING", "neither `text` nor `id` is set"},
      {"NegativeTarget", [](auto& r) { r.mutable_prompts(0)->mutable_target()->set_id(-1); }, "prompts[0].target.id",
       "TOKEN_ID_OUT_OF_RANGE", "got id -1"},
      {"UnknownContrast", [](auto& r) { r.mutable_prompts(1)->mutable_contrast()->set_id(50257); },
       "prompts[1].contrast.id", "TOKEN_ID_OUT_OF_RANGE", "got id 50257, expected 0 .. 260"},
      {"LayerTooLarge",
       [](auto& r) {
         r.mutable_sweep()->mutable_heads()->add_layers(0);
         r.mutable_sweep()->mutable_heads()->add_layers(2);
       },
       "sweep.heads.layers[1]", "SITE_OUT_OF_RANGE", "got layer 2, expected 0 .. 1"},
      {"HeadNegative", [](auto& r) { r.mutable_sweep()->mutable_heads()->add_heads(-3); }, "sweep.heads.heads[0]",
       "SITE_OUT_OF_RANGE", "got head -3, expected 0 .. 2"},
      {"HeadTwice",
       [](auto& r) {
         for (const int head : {1, 0, 1}) r.mutable_sweep()->mutable_heads()->add_heads(head);
       },
       "sweep.heads.heads[2]", "SITE_REPEATED", "head 1 is named twice"},
      {"SweepWithoutKind", [](auto& r) { r.mutable_sweep(); }, "sweep", "SWEEP_MISSING", "expected `heads`"},
      {"SweepOfTheFuture",
       [](auto& r) {
         // A sweep's field 2, a message: what a newer client's `pairs` would be.
         r.mutable_sweep()->GetReflection()->MutableUnknownFields(r.mutable_sweep())->AddLengthDelimited(2, "");
       },
       "sweep", "UNKNOWN_FIELD", "field number 2 of ablation.v1.Sweep is not known to this server"},
      {"TwoReplacements",
       [](auto& r) {
         r.add_replacements()->mutable_zero();
         r.add_replacements()->mutable_zero();
       },
       "replacements", "TOO_MANY_REPLACEMENTS", "got 2 replacements"},
      {"ReplacementWithoutKind", [](auto& r) { r.add_replacements(); }, "replacements[0]", "REPLACEMENT_MISSING",
       "expected `zero`"},
      {"TopKNegative", [](auto& r) { r.mutable_readout()->set_top_k(-1); }, "readout.top_k", "TOP_K_OUT_OF_RANGE",
       "got -1, expected 0 .. 100"},
      {"TopKTooLarge", [](auto& r) { r.mutable_readout()->set_top_k(101); }, "readout.top_k", "TOP_K_OUT_OF_RANGE",
       "got 101, expected 0 .. 100"},
  };
}

TEST(BadRequestTest, EachMistakeIsNamed) {
  TestServer server;
  server.Serve();
  ASSERT_TRUE(RunScan(server.stub(), GoodRequest()).status.ok());
  for (const BadRequestCase& c : Cases()) {
    SCOPED_TRACE(c.name);
    pb::AblateRequest request = GoodRequest();
    c.damage(request);
    const ScanResult result = RunScan(server.stub(), request);
    std::printf("| %s | %s |\n", c.name.c_str(), result.status.error_message().c_str());
    EXPECT_EQ(result.status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_TRUE(result.responses.empty());
    EXPECT_THAT(result.status.error_message(), HasSubstr(c.message));
    EXPECT_EQ(result.status.error_message().substr(0, c.field.size() + 2), c.field + ": ");
    const Details details = DetailsOf(result.status);
    EXPECT_EQ(details.info.domain(), "ablate");
    EXPECT_EQ(details.info.reason(), c.reason);
    ASSERT_EQ(details.bad_request.field_violations_size(), 1);
    EXPECT_EQ(details.bad_request.field_violations(0).field(), c.field);
    EXPECT_THAT(details.bad_request.field_violations(0).description(), HasSubstr(c.message));
  }
  EXPECT_EQ(server.device().runs().size(), 1U);
}

TEST(BadRequestTest, TooCostlyIsAQuotaFailure) {
  TestServer server({.limits = {.cost = 55}});
  server.Serve();
  const ScanResult result = RunScan(server.stub(), GoodRequest());
  EXPECT_EQ(result.status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(result.status.error_message(), HasSubstr("costs 56 packed tokens x layers, more than the 55"));
  const Details details = DetailsOf(result.status);
  EXPECT_EQ(details.info.reason(), "REQUEST_TOO_COSTLY");
  ASSERT_EQ(details.quota.violations_size(), 1);
  EXPECT_EQ(details.quota.violations(0).subject(), "request");
  EXPECT_FALSE(details.retry.has_retry_delay());
  EXPECT_TRUE(RunScan(server.stub(), ScanRequest("Berlin is")).status.ok());
}

TEST(BadRequestTest, TooManyTokensAreAQuotaFailure) {
  TestServer server({.limits = {.tokens = 3}});
  server.Serve();
  // 2 tokens each.
  const ScanResult result = RunScan(server.stub(), GoodRequest());
  EXPECT_EQ(result.status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(result.status.error_message(), HasSubstr("with prompts[1] the request has more tokens than the 3"));
  EXPECT_THAT(result.status.error_message(), HasSubstr("--max-request-tokens"));
  const Details details = DetailsOf(result.status);
  EXPECT_EQ(details.info.reason(), "REQUEST_TOO_MANY_TOKENS");
  ASSERT_EQ(details.quota.violations_size(), 1);
  EXPECT_FALSE(details.retry.has_retry_delay());
  EXPECT_TRUE(RunScan(server.stub(), ScanRequest("Berlin is")).status.ok());
}

}  // namespace
}  // namespace ablate
