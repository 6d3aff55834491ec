// The program `ablate` end to end, over a real socket: what it writes of what it gets.
#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>

#include "tests/client/program_fixture.h"

namespace ablate::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

TEST_F(ProgramTest, ScanShowsATable) {
  Serve();
  auto arguments = scan_;
  arguments.insert(arguments.end(), {"--focus-layer", "1"});
  const auto result = Ablate(arguments);
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.err, "");
  EXPECT_THAT(result.out, AllOf(HasSubstr("L1   -1.50  0.05"), HasSubstr("Strongest heads"), HasSubstr("Layer 1"),
                                HasSubstr("3 of 4 ablations keep the top-1 token ' Germany'"), Not(HasSubstr("\x1b"))));
}

TEST_F(ProgramTest, CsvPutsWhatIsNoRowBesideIt) {
  Serve();
  auto arguments = scan_;
  arguments.insert(arguments.end(), {"--format", "csv", "--likelihood", "--compensation", "--summary"});
  const auto without = Ablate(arguments);
  EXPECT_EQ(without.exit_code, 2);
  EXPECT_THAT(without.err, HasSubstr("--likelihood with --format csv needs --output FILE"));
  arguments.insert(arguments.end(), {"--output", Path("out.csv")});
  const auto result = Ablate(arguments);
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(Read(Path("out.csv")), StartsWith("prompt_index,replacement,variant,"));
  EXPECT_THAT(Read(Path("out.likelihood.csv")), HasSubstr("\n0,,baseline,,,3,"));
  EXPECT_THAT(Read(Path("out.compensation.csv")), HasSubstr("\n0,zero,L0H0,,,1,L0H0,1\n"));
  EXPECT_THAT(Read(Path("out.summary.csv")), HasSubstr("\nzero,L0H0,"));
}

TEST_F(ProgramTest, ColumnsThatAreNotOursComeBackWithTheRows) {
  Serve();
  const auto result = Ablate({"scan", "--prompts", "-", "--format", "jsonl"}, "prompt,target,source\na, x,\"b, c\"\n");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("\"top_k\": null, \"fields\": {\"source\": \"b, c\"}}\n"));
}

TEST_F(ProgramTest, ManyPromptsComeOutInTheirOrder) {
  Serve();
  const auto result = Ablate({"scan", "--prompts", "-", "--format", "jsonl"},
                             "{\"prompt\": \"a\", \"target\": \" x\"}\n{\"prompt\": \"b\"}\n{\"prompt\": \"c\"}\n");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  std::istringstream lines(result.out);
  std::string line;
  std::getline(lines, line);
  EXPECT_TRUE(nlohmann::json::parse(line).contains("manifest"));
  for (int p = 0; p < 3; ++p) {
    for (const char* variant : {"baseline", "L0H0", "L0H1", "L1H0", "L1H1"}) {
      ASSERT_TRUE(std::getline(lines, line));
      const auto row = nlohmann::json::parse(line);
      EXPECT_EQ(row["prompt_index"], p);
      EXPECT_EQ(row["variant"], variant);
      EXPECT_EQ(row["target_logprob"].is_null(), p > 0);
    }
  }
  EXPECT_FALSE(std::getline(lines, line));
}

TEST_F(ProgramTest, DiffTellsWhetherAnythingMoved) {
  Serve();
  auto arguments = scan_;
  arguments.insert(arguments.end(), {"--format", "jsonl"});
  const std::string a = Ablate(arguments).out;
  std::ofstream(Path("a.jsonl")) << a;
  const auto same = Ablate({"diff", Path("a.jsonl"), "-"}, a);
  EXPECT_EQ(same.exit_code, 0) << same.err;
  EXPECT_THAT(same.out, HasSubstr("none of 5 rows moved by more than 0"));
  std::string b = a;
  const std::string was = "\"delta_logit_diff\": -1.5";
  ASSERT_NE(b.find(was), std::string::npos);
  b.replace(b.find(was), was.size(), "\"delta_logit_diff\": -1.25");
  const auto moved = Ablate({"diff", Path("a.jsonl"), "-", "--atol", "0.1"}, b);
  EXPECT_EQ(moved.exit_code, 1);
  EXPECT_EQ(moved.out, "prompt 0, L1H0, zero, read at 1          -1.5 ->        -1.25  by 0.25\n");
  EXPECT_THAT(moved.err, HasSubstr("1 of 5 rows moved by more than 0.1; the farthest is prompt 0, L1H0"));
  EXPECT_EQ(Ablate({"diff", Path("a.jsonl"), "-", "--atol", "0.25"}, b).exit_code, 0);
  EXPECT_EQ(Ablate({"diff", Path("a.jsonl"), "-", "--column", "entropy", "--column", "target_is_top1"}, b).exit_code,
            0);
  // A row less.
  b.erase(b.rfind("{\"prompt_index"));
  EXPECT_EQ(Ablate({"diff", Path("a.jsonl"), "-"}, b).exit_code, 2);
  EXPECT_EQ(Ablate({"diff", Path("a.jsonl"), Path("nosuch")}).exit_code, 2);
  EXPECT_EQ(Ablate({"diff", Path("a.jsonl")}).exit_code, 2);
  EXPECT_EQ(Ablate({"diff", "-", "-"}, b).exit_code, 2);
}

TEST_F(ProgramTest, OutputHoldsTheWholeFile) {
  Serve();
  auto arguments = scan_;
  arguments.insert(arguments.end(), {"--format", "csv", "--output", Path("out.csv"), "--top-k", "1"});
  const auto result = Ablate(arguments);
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.out, "");
  const std::string text = Read(Path("out.csv"));
  EXPECT_THAT(text, StartsWith("prompt_index,replacement,variant,"));
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 6);
}

TEST_F(ProgramTest, AnIncompleteStreamFailsAndLeavesNoFile) {
  Script script;
  script.ablate = [](grpc::ServerContext*, const ablation::v1::AblateRequest& request, ServerWriter* writer) {
    SendManifest(request, writer);
    SendRows(request, 0, writer);
    return grpc::Status::OK;
  };
  Serve(script);
  auto arguments = scan_;
  arguments.insert(arguments.end(), {"--format", "jsonl", "--output", Path("out")});
  const auto result = Ablate(arguments);
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, StartsWith("ablate: incomplete: the stream ended after 5 of 5 rows"));
  EXPECT_FALSE(std::filesystem::exists(Path("out")));
}

TEST_F(ProgramTest, HealthIsAHealthCheck) {
  std::atomic<int> asked = 0;
  Script script;
  script.health = [&asked] {
    using grpc::health::v1::HealthCheckResponse;
    return ++asked < 3 ? HealthCheckResponse::NOT_SERVING : HealthCheckResponse::SERVING;
  };
  Serve(script);
  const auto not_yet = Ablate({"health"});
  EXPECT_EQ(not_yet.exit_code, 3);
  EXPECT_THAT(not_yet.err, HasSubstr("NOT_SERVING"));
  const auto waited = Ablate({"health", "--wait", "60s"});
  EXPECT_EQ(waited.exit_code, 0) << waited.err;
  EXPECT_EQ(waited.out, "SERVING\n");
}

TEST_F(ProgramTest, TokenizeShowsTokens) {
  Serve();
  EXPECT_EQ(Ablate({"tokenize", " a"}).out, "' a': 2 tokens\n      32  ' '\n      97  'a'\n");
  EXPECT_EQ(Ablate({"tokenize", "--format", "jsonl", "a"}).out,
            "{\"text\": \"a\", \"tokens\": [{\"id\": 97, \"text\": \"a\", \"raw\": \"61\"}]}\n");
}

TEST_F(ProgramTest, DescribeShowsTheModel) {
  Serve();
  EXPECT_THAT(Ablate({"describe"}).out, AllOf(HasSubstr("tiny"), HasSubstr("2 x 2"), HasSubstr("float32"),
                                              HasSubstr("\nmemory budget     1.5 GiB for forward passes")));
  EXPECT_EQ(nlohmann::json::parse(Ablate({"describe", "--format", "json"}).out)["model"]["n_layers"], 2);
}

}  // namespace
}  // namespace ablate::testing
