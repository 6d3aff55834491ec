// From the options of `ablate scan` to the request.
#include "client/cpp/cli/scan_request.h"

#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "client/cpp/cli/positions.h"

namespace ablate::cli {
namespace {

using ::testing::HasSubstr;
using Change = std::function<void(ScanRequestOptions&)>;

ScanRequestOptions With(const Change& change) {
  ScanRequestOptions options;
  options.prompts.prompt = "x";
  change(options);
  return options;
}

std::string WriteFile(const std::string& name, const std::string& text) {
  const std::string path = ::testing::TempDir() + "/" + name;
  std::ofstream(path) << text;
  return path;
}

// The request is `expected`, and comes back from --print-spec by way of --spec.
void ExpectRequest(const Change& change, const std::string& expected) {
  SCOPED_TRACE(expected);
  const auto made = MakeScanRequest(With(change));
  ASSERT_TRUE(made.ok()) << made.status();
  ablation::v1::AblateRequest request;
  ASSERT_TRUE(google::protobuf::TextFormat::ParseFromString(expected, &request));
  EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(made->request, request))
      << made->request.DebugString();

  const auto json = RequestJson(made->request);
  ASSERT_TRUE(json.ok()) << json.status();
  ScanRequestOptions spec;
  spec.spec = WriteFile("spec.json", *json);
  const auto read = MakeScanRequest(spec);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->request.SerializeAsString(), made->request.SerializeAsString());
}

constexpr char kPlain[] = "prompts { text: 'x' } sweep { heads {} } replacements { zero {} } readout {} ";

TEST(ScanRequestTest, Sweeps) {
  const std::string head = "prompts { text: 'x' } replacements { zero {} } readout {} ";
  ExpectRequest([](auto&) {}, kPlain);
  ExpectRequest(
      [](auto& o) {
        o.sweep.layers = "0,2-3";
        o.sweep.heads = "1";
        o.sweep.sites = "L5H3, L9H*";
      },
      head + "sweep { heads {} filter { layers: [0, 2, 3] heads: 1 sites: ['L5H3', 'L9H*'] } }");
  ExpectRequest([](auto& o) { o.sweep.sweep = "layers"; }, head + "sweep { layers {} }");
  ExpectRequest(
      [](auto& o) {
        o.sweep.sweep = "pairs";
        o.sweep.strongest = 20;
      },
      head + "sweep { pairs { strongest: 20 } }");
  ExpectRequest(
      [](auto& o) {
        o.sweep.sweep = "groups";
        o.sweep.groups = {"movers=L9H9+L9H6; rest = 1.0,L2H*", "L3H3"};
      },
      head +
          "sweep { groups { groups { name: 'movers' sites: ['L9H9', 'L9H6'] } groups { name: 'rest' sites: ['1.0', "
          "'L2H*'] } groups { sites: 'L3H3' } } }");
  ExpectRequest(
      [](auto& o) {
        o.sweep.sweep = "all-but";
        o.sweep.groups = {"a=L1H1"};
        o.sweep.random_sets = 8;
        o.sweep.sites = "L1H*";
        o.seed = 18446744073709551615U;
      },
      head +
          "sweep { all_but { keep { name: 'a' sites: 'L1H1' } random_sets: 8 seed: 18446744073709551615 } filter { "
          "sites: 'L1H*' } }");
  ExpectRequest(
      [](auto& o) {
        o.sweep.sweep = "cumulative";
        o.sweep.order = "L5H3,L1H0";
        o.sweep.backwards = true;
        o.sweep.steps = 2;
      },
      head + "sweep { cumulative { order: ['L5H3', 'L1H0'] backwards: true steps: 2 } }");
}

TEST(ScanRequestTest, Replacements) {
  const std::string head = "prompts { text: 'x' corrupted_text: 'y' } sweep { heads {} } readout {} ";
  const std::string vector = WriteFile("vector.json", "[1, -2.5, 3e-1]");
  ExpectRequest(
      [&](auto& o) {
        o.prompts.corrupted = "y";
        o.replacement.replace = {"zero", "zero-keep-value-bias", "mean", "constant", "scale", "resample"};
        o.replacement.means = {"abc"};
        o.replacement.values = {0.1F, -1};
        o.replacement.value_file = vector;
        o.replacement.factors = {0.5F};
        o.replacement.directions = {"noising", "denoising"};
      },
      head +
          "replacements { zero {} } replacements { zero_keep_value_bias {} } replacements { mean { library: 'abc' } } "
          "replacements { constant { scalar: 0.1 } } replacements { constant { scalar: -1 } } "
          "replacements { constant { vector { values: [1, -2.5, 0.3] } } } replacements { scale { factor: 0.5 } } "
          "replacements { resample { direction: DIRECTION_NOISING } } "
          "replacements { resample { direction: DIRECTION_DENOISING } }");
  ExpectRequest(
      [](auto& o) {
        o.replacement.replace = {"constant"};
        o.replacement.value_file = WriteFile("vector.txt", "1\n\n  -2.5\n0.25\n");
      },
      "prompts { text: 'x' } sweep { heads {} } readout {} replacements { constant { vector { values: [1, -2.5, 0.25] "
      "} } "
      "}");
}

TEST(ScanRequestTest, PositionsReadoutsAnswersAndSummary) {
  ExpectRequest(
      [](auto& o) {
        o.replacement.positions = "0,3,-1,2:5";
        o.replacement.each_position = true;
      },
      std::string(kPlain) +
          "edit_positions { positions { positions: [0, 3, -1] ranges { begin: 2 end: 5 } } each: true }");
  ExpectRequest([](auto& o) { o.replacement.positions = "all"; }, kPlain);
  ExpectRequest([](auto& o) { o.readout.read = "last"; }, kPlain);
  const std::string head = "prompts { text: 'x' } sweep { heads {} } replacements { zero {} } ";
  ExpectRequest([](auto& o) { o.readout.read = "all"; }, head + "readout { all_positions: true }");
  ExpectRequest(
      [](auto& o) {
        o.readout.read = "0,-2";
        o.readout.top_k = 3;
        o.readout.reduction = "prob-sum";
        o.readout.likelihood = o.readout.effects = o.readout.compensation = true;
        o.readout.min_denominator = 0;
      },
      head +
          "readout { positions { positions: [0, -2] } top_k: 3 reduction: REDUCTION_PROB_SUM likelihood: true effects: "
          "true compensation: true min_denominator: 0 }");
  ExpectRequest(
      [](auto& o) {
        o.readout.target_mode = "sequence";
        o.readout.edit_appended = true;
      },
      head + "readout { target_mode: TARGET_MODE_SEQUENCE edit_appended: true }");
  ExpectRequest(
      [](auto& o) {
        o.prompts.targets = {" a", " b"};
        o.prompts.target_ids = {7};
        o.prompts.contrast_ids = {8, 9};
        o.prompts.prepend_bos = true;
        o.summary.summary = o.summary.split = true;
        o.summary.min_effect = 0.25;
        o.summary.sign_flips = 20000;
        o.summary.bootstrap = 500;
        o.seed = 3;
      },
      "prompts { text: 'x' targets { text: ' a' } targets { text: ' b' } targets { id: 7 } contrasts { id: 8 } "
      "contrasts { "
      "id: 9 } } sweep { heads {} } replacements { zero {} } readout {} prepend_bos: true summary { "
      "bootstrap_resamples: "
      "500 sign_flips: 20000 seed: 3 min_effect: 0.25 split: true }");
}

TEST(ScanRequestTest, YearsAreScoredByTheirProbabilities) {
  const std::string path = WriteFile("years.csv", "clean,corrupted,label\na,b,32\n");
  ScanRequestOptions options;
  options.prompts.prompts_file = path;
  EXPECT_EQ(MakeScanRequest(options)->request.readout().reduction(), ablation::v1::REDUCTION_PROB_SUM);
  options.readout.reduction = "prob_sum";
  EXPECT_TRUE(MakeScanRequest(options).ok());
  options.readout.reduction = "logsumexp";
  EXPECT_THAT(std::string(MakeScanRequest(options).status().message()), HasSubstr("--reduction logsumexp: years"));
}

TEST(ScanRequestTest, ForeignIdsNeedTheirTokenizersName) {
  ScanRequestOptions options;
  options.prompts.prompts_file = WriteFile("ids.csv", "clean,corrupted,correct_idx,incorrect_idx\na,b,3,4\n");
  EXPECT_THAT(std::string(MakeScanRequest(options).status().message()),
              ::testing::AllOf(HasSubstr("--tokenizer-of MODEL"), HasSubstr("mean other tokens")));
  options.prompts.tokenizer_of = "gpt2";
  EXPECT_TRUE(MakeScanRequest(options).ok());
  options.prompts.prompts_file = WriteFile("plain.csv", "prompt\na\n");
  EXPECT_THAT(std::string(MakeScanRequest(options).status().message()), HasSubstr("--tokenizer-of"));
}

struct Wrong {
  Change change;
  std::string says;
};

TEST(ScanRequestTest, WrongCombinationsNameTheOptionAndTheWayOut) {
  const std::string no_corrupted =
      WriteFile("clean.jsonl", "{\"prompt\": \"a\", \"corrupt\": \"b\"}\n{\"prompt\": \"c\"}\n");
  const std::string bad_vector = WriteFile("bad.json", "[1, \"a\"]");
  const std::string bad_lines = WriteFile("bad.txt", "1\ntwo\n");
  const std::string huge = WriteFile("huge.txt", "1e300\n");
  const std::vector<Wrong> table = {
      {[](auto& o) { o.prompts.prompt.reset(); }, "expected one of --prompt TEXT, --prompts FILE and --spec"},
      {[](auto& o) { o.prompts.prompts_file = "f"; }, "--prompt and --prompts cannot go together"},
      {[](auto& o) { o.prompts.target_ids = {-1}; }, "--target-id -1"},
      {[](auto& o) { o.prompts.tokenizer_of = "gpt2"; }, "--tokenizer-of belongs to"},
      {[](auto& o) { o.sweep.sweep = "head"; }, "--sweep `head`: expected heads, layers"},
      {[](auto& o) { o.sweep.strongest = 3; }, "--strongest belongs to --sweep pairs"},
      {[](auto& o) { o.sweep.order = "L0H0"; }, "--order belongs to --sweep cumulative"},
      {[](auto& o) { o.sweep.backwards = true; }, "--backwards belongs to --sweep cumulative"},
      {[](auto& o) { o.sweep.steps = 3; }, "--steps belongs to --sweep cumulative"},
      {[](auto& o) { o.sweep.random_sets = 3; }, "--random-sets belongs to --sweep all-but"},
      {[](auto& o) { o.sweep.groups = {"a=L0H0"}; }, "--groups belongs to --sweep groups"},
      {[](auto& o) { o.sweep.sweep = "groups"; }, "--sweep groups needs --groups"},
      {[](auto& o) { o.sweep.sweep = "all-but"; }, "--sweep all-but needs --groups"},
      {[](auto& o) {
         o.sweep.sweep = "groups";
         o.sweep.groups = {"a="};
       },
       "--groups `a=`: a site is missing"},
      {[](auto& o) {
         o.sweep.sweep = "groups";
         o.sweep.groups = {"a=L0H0"};
         o.sweep.sites = "L0H0";
       },
       "--sites does not go with --sweep groups"},
      {[](auto& o) { o.sweep.sites = "L0H0,"; }, "--sites `L0H0,`: a site is missing"},
      {[](auto& o) { o.seed = 1; }, "--seed belongs to --random-sets or --summary"},
      {[](auto& o) { o.replacement.replace = {"one"}; }, "--replace `one`: expected zero"},
      {[](auto& o) { o.replacement.replace = {"zero", "zero"}; }, "--replace zero is given twice"},
      {[](auto& o) { o.replacement.replace = {"mean"}; }, "--replace mean needs --means ID"},
      {[](auto& o) { o.replacement.replace = {"constant"}; }, "--replace constant needs --value X"},
      {[](auto& o) { o.replacement.replace = {"scale"}; }, "--replace scale needs --factor X"},
      {[](auto& o) { o.replacement.replace = {"resample"}; }, "--replace resample needs --direction"},
      {[](auto& o) {
         o.replacement.replace = {"resample"};
         o.replacement.directions = {"up"};
       },
       "--direction `up`: expected noising or denoising"},
      {[](auto& o) {
         o.replacement.replace = {"resample"};
         o.replacement.directions = {"noising"};
       },
       "--replace resample needs --corrupted TEXT"},
      {[&](auto& o) {
         o.prompts.prompt.reset();
         o.prompts.prompts_file = no_corrupted;
         o.replacement.replace = {"resample"};
         o.replacement.directions = {"noising"};
       },
       "clean.jsonl, line 2 has none"},
      {[](auto& o) { o.prompts.corrupted = "y"; }, "--corrupted belongs to --replace resample"},
      {[](auto& o) { o.replacement.values = {1}; }, "--value belongs to --replace constant"},
      {[](auto& o) { o.replacement.value_file = "f"; }, "--value-file belongs to --replace constant"},
      {[](auto& o) { o.replacement.factors = {1}; }, "--factor belongs to --replace scale"},
      {[](auto& o) { o.replacement.directions = {"noising"}; }, "--direction belongs to --replace resample"},
      {[](auto& o) { o.replacement.means = {"a"}; }, "--means belongs to --replace mean"},
      {[](auto& o) {
         o.replacement.replace = {"scale"};
         o.replacement.factors = {INFINITY};
       },
       "--factor inf: expected a finite number"},
      {[&](auto& o) {
         o.replacement.replace = {"constant"};
         o.replacement.value_file = bad_vector;
       },
       "bad.json, element 1: \"a\" is not a number"},
      {[&](auto& o) {
         o.replacement.replace = {"constant"};
         o.replacement.value_file = bad_lines;
       },
       "bad.txt, line 2: `two` is not a number"},
      {[&](auto& o) {
         o.replacement.replace = {"constant"};
         o.replacement.value_file = huge;
       },
       "line 1: 1e+300 is not a finite number"},
      {[](auto& o) { o.replacement.positions = "1;2"; }, "--positions `1;2`"},
      {[](auto& o) { o.readout.read = "x"; }, "--read `x`"},
      {[](auto& o) { o.readout.reduction = "max"; },
       "--reduction `max`: expected one of mean_logit, logsumexp, prob_sum"},
      {[](auto& o) { o.readout.target_mode = "many"; }, "--target-mode `many`: expected one of single"},
      {[](auto& o) { o.readout.edit_appended = true; }, "--edit-appended belongs to --target-mode sequence"},
      {[](auto& o) {
         o.readout.target_mode = "sequence";
         o.readout.read = "all";
       },
       "--read all: --target-mode sequence reads at the last position only"},
      {[](auto& o) { o.readout.min_denominator = -1; }, "--min-denominator -1"},
      {[](auto& o) { o.summary.split = true; }, "--split belongs to --summary"},
      {[](auto& o) { o.summary.min_effect = 1; }, "--min-effect belongs to --summary"},
      {[](auto& o) { o.summary.sign_flips = 1; }, "--sign-flips belongs to --summary"},
      {[](auto& o) { o.summary.bootstrap = 1; }, "--bootstrap belongs to --summary"},
      {[](auto& o) {
         o.summary.summary = true;
         o.summary.min_effect = -0.5;
       },
       "--min-effect -0.5"},
  };
  for (const Wrong& wrong : table) {
    SCOPED_TRACE(wrong.says);
    const auto request = MakeScanRequest(With(wrong.change));
    EXPECT_EQ(request.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(request.status().message()), HasSubstr(wrong.says));
  }
}

TEST(SpecTest, AFileThatIsNoRequestIsNamed) {
  ScanRequestOptions options;
  options.spec = WriteFile("typo.json", "{\"promts\": []}");
  EXPECT_THAT(std::string(MakeScanRequest(options).status().message()),
              ::testing::AllOf(HasSubstr("typo.json: not an AblateRequest"), HasSubstr("promts")));
  options.spec = "/no/such.json";
  EXPECT_THAT(std::string(MakeScanRequest(options).status().message()), HasSubstr("--spec: cannot read /no/such.json"));
}

TEST(ParsePositionsTest, ReadsAsPythonDoes) {
  const auto text = [](const char* positions) {
    const auto parsed = ParsePositions("--positions", positions);
    EXPECT_TRUE(parsed.ok()) << parsed.status();
    return parsed.ok() && *parsed ? (*parsed)->ShortDebugString() : "all";
  };
  EXPECT_EQ(text("all"), "all");
  EXPECT_EQ(text("last"), "positions: -1");
  EXPECT_EQ(text("0, 3,-1"), "positions: 0 positions: 3 positions: -1");
  EXPECT_EQ(text("2:5"), "ranges { begin: 2 end: 5 }");
  EXPECT_EQ(text(":-1"), "ranges { end: -1 }");
  EXPECT_EQ(text("3:"), "ranges { begin: 3 }");
  EXPECT_EQ(text(":"), "ranges { }");
  for (const char* wrong : {"", "a", "1,", "1:2:3", "1.5", "+1", "1-2", "99999999999", "all,1"}) {
    EXPECT_EQ(ParsePositions("--read", wrong).status().code(), absl::StatusCode::kInvalidArgument) << wrong;
  }
}

}  // namespace
}  // namespace ablate::cli
