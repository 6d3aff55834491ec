// The program `ablate` end to end, over a real socket.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "client/cpp/private_folder.h"
#include "tests/client/fake_server.h"
#include "tests/client/run_program.h"

namespace ablate::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class ProgramTest : public ::testing::Test {
 protected:
  void Serve(const Script& script = {}) {
    server_.emplace(address_, script);
    ASSERT_TRUE(server_->started());
  }
  ProgramResult Ablate(std::vector<std::string> arguments, const std::string& input = "") const {
    arguments.insert(arguments.begin(), ABLATE_PROGRAM);
    return RunProgram(std::move(arguments), {"ABLATE_SERVER=" + address_}, input);
  }
  std::string Path(const std::string& name) const { return folder_.path() + "/" + name; }
  static std::string Read(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  client::PrivateFolder folder_ = *client::PrivateFolder::Make();
  const std::string address_ = "unix:" + folder_.path() + "/socket";
  const std::vector<std::string> scan_ = {"scan", "--prompt", "Berlin is", "--target", " Germany"};
  std::optional<FakeServer> server_;
};

// A script that holds the scan open after its first rows, until the client leaves.
Script Endless() {
  Script script;
  script.ablate = [](grpc::ServerContext* context, const ablation::v1::AblateRequest& request, ServerWriter* writer) {
    SendManifest(request, writer);
    SendRows(request, 0, writer);
    while (!context->IsCancelled()) usleep(1000);
    return grpc::Status::CANCELLED;
  };
  return script;
}

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

TEST_F(ProgramTest, ScanPassesEveryOptionOn) {
  ablation::v1::AblateRequest seen;
  Script script;
  script.ablate = [&seen](grpc::ServerContext*, const ablation::v1::AblateRequest& request, ServerWriter*) {
    seen = request;
    return grpc::Status(grpc::ABORTED, "seen");
  };
  Serve(script);
  EXPECT_EQ(Ablate({"scan",
                    "--prompt",
                    "x",
                    "--target",
                    " Germany",
                    "--target",
                    " Italy",
                    "--contrast-id",
                    "7",
                    "--corrupted",
                    "y",
                    "--layers",
                    "0,2-3",
                    "--heads",
                    "1",
                    "--sites",
                    "L*H1",
                    "--sweep",
                    "pairs",
                    "--strongest",
                    "4",
                    "--replace",
                    "zero",
                    "--replace",
                    "constant",
                    "--value",
                    "-1.5",
                    "--replace",
                    "resample",
                    "--direction",
                    "noising",
                    "--positions",
                    "-1",
                    "--each-position",
                    "--read",
                    "-2,-1",
                    "--top-k",
                    "5",
                    "--likelihood",
                    "--summary",
                    "--seed",
                    "9",
                    "--prepend-bos"})
                .exit_code,
            1);
  EXPECT_EQ(seen.prompts(0).text(), "x");
  EXPECT_EQ(seen.prompts(0).corrupted_text(), "y");
  ASSERT_EQ(seen.prompts(0).targets_size(), 2);
  EXPECT_EQ(seen.prompts(0).targets(1).text(), " Italy");
  EXPECT_EQ(seen.prompts(0).contrasts(0).id(), 7);
  EXPECT_THAT(seen.sweep().filter().layers(), ::testing::ElementsAre(0, 2, 3));
  EXPECT_THAT(seen.sweep().filter().heads(), ::testing::ElementsAre(1));
  EXPECT_THAT(seen.sweep().filter().sites(), ::testing::ElementsAre("L*H1"));
  EXPECT_EQ(seen.sweep().pairs().strongest(), 4);
  ASSERT_EQ(seen.replacements_size(), 3);
  EXPECT_EQ(seen.replacements(1).constant().scalar(), -1.5F);
  EXPECT_EQ(seen.replacements(2).resample().direction(), ablation::v1::DIRECTION_NOISING);
  EXPECT_THAT(seen.edit_positions().positions().positions(), ::testing::ElementsAre(-1));
  EXPECT_TRUE(seen.edit_positions().each());
  EXPECT_THAT(seen.readout().positions().positions(), ::testing::ElementsAre(-2, -1));
  EXPECT_EQ(seen.readout().top_k(), 5);
  EXPECT_TRUE(seen.readout().likelihood());
  EXPECT_EQ(seen.summary().seed(), 9U);
  EXPECT_TRUE(seen.prepend_bos());
}

// The same request, once from flags and once from the file that the flags print.
TEST_F(ProgramTest, ASpecIsTheRequestAgain) {
  std::vector<std::string> seen;
  Script script;
  script.ablate = [&seen](grpc::ServerContext*, const ablation::v1::AblateRequest& request, ServerWriter*) {
    seen.push_back(request.SerializeAsString());
    return grpc::Status(grpc::ABORTED, "seen");
  };
  std::vector<std::string> arguments = {"scan",      "--prompts", "-",     "--sweep",  "cumulative", "--order",
                                        "L1H0,L0H1", "--replace", "scale", "--factor", "0.1",        "--positions",
                                        "1:,0",      "--read",    "all",   "--effects"};
  const std::string input = "{\"prompt\": \"a\", \"target\": \" x\", \"contrasts\": [1, 2], \"note\": 3}\n";
  arguments.emplace_back("--print-spec");
  // Without a server.
  const auto printed = Ablate(arguments, input);
  EXPECT_EQ(printed.exit_code, 0) << printed.err;
  EXPECT_THAT(printed.err, HasSubstr("no place for the columns note"));
  arguments.pop_back();
  Serve(script);
  Ablate(arguments, input);
  Ablate({"scan", "--spec", "-"}, printed.out);
  ASSERT_EQ(seen.size(), 2U);
  EXPECT_EQ(seen[0], seen[1]);
  EXPECT_EQ(Ablate({"scan", "--spec", "-", "--print-spec"}, printed.out).out, printed.out);
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

TEST_F(ProgramTest, IdsOfAnotherTokenizerAreRefused) {
  Serve();
  const std::string ids = "clean,corrupted,correct_idx,incorrect_idx\na,b,3,4\n";
  const auto unnamed = Ablate({"scan", "--prompts", "-"}, ids);
  EXPECT_EQ(unnamed.exit_code, 2);
  EXPECT_THAT(unnamed.err, HasSubstr("--tokenizer-of MODEL"));
  const auto other = Ablate({"scan", "--prompts", "-", "--tokenizer-of", "llama"}, ids);
  EXPECT_EQ(other.exit_code, 2);
  EXPECT_THAT(other.err, HasSubstr("--tokenizer-of llama: the server holds tiny"));
  EXPECT_EQ(Ablate({"scan", "--prompts", "-", "--tokenizer-of", "tiny"}, ids).exit_code, 0);
}

TEST_F(ProgramTest, ARefusedFieldNamesItsOption) {
  Script script;
  script.ablate = [](grpc::ServerContext*, const ablation::v1::AblateRequest&, ServerWriter*) {
    return InvalidField("sweep.filter.sites[0]", "`L99H0`: the model has layers 0 to 1");
  };
  Serve(script);
  const auto result = Ablate({"scan", "--prompt", "x", "--sites", "L99H0"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_EQ(result.err, "ablate: sweep.filter.sites[0]: `L99H0`: the model has layers 0 to 1 (--sites)\n");
  script.ablate = [](grpc::ServerContext*, const ablation::v1::AblateRequest&, ServerWriter*) {
    return InvalidField("replacements[0].mean.library", "unknown");
  };
  Serve(script);
  EXPECT_THAT(Ablate({"scan", "--prompt", "x", "--replace", "mean", "--means", "a"}).err, HasSubstr("(--means)"));
  script.ablate = [](grpc::ServerContext*, const ablation::v1::AblateRequest&, ServerWriter*) {
    return InvalidField("prompts[0].targets[0].text", "\" a b\" is 2 tokens; `readout.target_mode` takes more");
  };
  Serve(script);
  EXPECT_THAT(Ablate({"scan", "--prompt", "x", "--target", " a b"}).err,
              HasSubstr("2 tokens; --target-mode first_token or sequence takes more"));
  EXPECT_THAT(Ablate({"scan", "--spec", "-"}, "{}").err, HasSubstr("`readout.target_mode` takes more"));
  script.ablate = [](grpc::ServerContext*, const ablation::v1::AblateRequest&, ServerWriter*) {
    return InvalidField("prompts[0].corrupted_text", "3 tokens, expected 1");
  };
  Serve(script);
  EXPECT_THAT(
      Ablate({"scan", "--prompt", "x", "--corrupted", "y", "--replace", "resample", "--direction", "noising"}).err,
      HasSubstr("expected 1 (--corrupted)\n"));
  EXPECT_THAT(Ablate({"scan", "--spec", "-"}, "{}").err, Not(HasSubstr("(--corrupted)")));
  // Where a file made the request, its field is name enough.
  EXPECT_THAT(Ablate({"scan", "--spec", "-"}, "{}").err, Not(HasSubstr("(--means)")));
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

TEST_F(ProgramTest, ARefusedPromptNamesFileAndLine) {
  Script script;
  script.ablate = [](grpc::ServerContext*, const ablation::v1::AblateRequest&, ServerWriter*) {
    return InvalidField("prompts[1].targets[0]", "` Federal Republic` is 2 tokens");
  };
  Serve(script);
  std::ofstream(Path("p.jsonl")) << "{\"prompt\": \"a\"}\n\n{\"prompt\": \"b\", \"target\": \" Federal Republic\"}\n";
  const auto result = Ablate({"scan", "--prompts", Path("p.jsonl")});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_EQ(result.err,
            "ablate: prompts[1].targets[0]: ` Federal Republic` is 2 tokens (" + Path("p.jsonl") + ", line 3)\n");
}

TEST_F(ProgramTest, CtrlCEndsInOrder) {
  Serve(Endless());
  std::vector<std::string> arguments = {ABLATE_PROGRAM, "scan", "--prompts", "-", "--format", "jsonl"};
  arguments.insert(arguments.end(), {"--output", Path("out")});
  Program program(arguments, {"ABLATE_SERVER=" + address_}, "{\"prompt\": \"a\"}\n{\"prompt\": \"b\"}\n");
  // The partial file shows that the scan runs: its first prompt is written out.
  const auto partial_has_rows = [&] {
    for (const auto& entry : std::filesystem::directory_iterator(folder_.path())) {
      if (entry.path().filename().string().starts_with("out.partial-")) return entry.file_size() > 0;
    }
    return false;
  };
  for (int i = 0; i < 6000 && !partial_has_rows(); ++i) usleep(10'000);
  ASSERT_TRUE(partial_has_rows());
  program.Signal(SIGINT);
  const auto result = program.Wait();
  EXPECT_EQ(result.exit_code, 130);
  EXPECT_EQ(result.err, "ablate: interrupted\n");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_.path()), {}), 1) << "more than the socket";
}

TEST_F(ProgramTest, AReaderThatLeavesEndsTheScanQuietly) {
  std::atomic<int> cancelled = 0;
  Script script;
  script.ablate = [&](grpc::ServerContext* context, const ablation::v1::AblateRequest& request, ServerWriter* writer) {
    SendManifest(request, writer);
    for (int p = 0; p < request.prompts_size() && !context->IsCancelled(); ++p) {
      SendRows(request, p, writer);
      usleep(1000);
    }
    // A pass of hours, as it were: nothing ends it but the client.
    for (int i = 0; i < 10'000 && !context->IsCancelled(); ++i) usleep(1000);
    if (context->IsCancelled()) ++cancelled;
    return grpc::Status::CANCELLED;
  };
  Serve(script);
  std::string prompts;
  for (int p = 0; p < 2000; ++p) prompts += "{\"prompt\": \"a\", \"target\": \" x\"}\n";
  int scans = 0;
  for (const std::string format : {"table", "jsonl", "csv"}) {
    const std::string scan = std::string(ABLATE_PROGRAM) + " scan --prompts - --format " + format;
    const auto result = RunProgram({"/bin/bash", "-c", scan + " | head -n 1; exit ${PIPESTATUS[0]}"},
                                   {"ABLATE_SERVER=" + address_, "PATH=/usr/bin:/bin"}, prompts);
    EXPECT_EQ(result.exit_code, 141) << format;
    EXPECT_EQ(result.err, "") << format;
    EXPECT_EQ(std::count(result.out.begin(), result.out.end(), '\n'), 1) << format;
    ++scans;
    for (int i = 0; i < 1000 && cancelled < scans; ++i) usleep(10'000);
    EXPECT_EQ(cancelled, scans) << format << ": the server goes on";
  }
}

TEST_F(ProgramTest, ATimeoutHasItsOwnExitCode) {
  Serve(Endless());
  const auto result =
      Ablate({"scan", "--prompts", "-", "--timeout", "500ms"}, "{\"prompt\": \"a\"}\n{\"prompt\": \"b\"}\n");
  EXPECT_EQ(result.exit_code, 4);
  EXPECT_THAT(result.err, HasSubstr("500ms"));
}

TEST_F(ProgramTest, WithoutAServerItSaysWhatToDo) {
  for (const char* command : {"describe", "health"}) {
    const auto result = Ablate({command});
    EXPECT_EQ(result.exit_code, 3);
    EXPECT_THAT(result.err,
                AllOf(StartsWith("ablate: no answer from a server at unix:"), HasSubstr("ablated --model DIR")));
  }
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
  EXPECT_THAT(Ablate({"describe"}).out, AllOf(HasSubstr("tiny"), HasSubstr("2 x 2"), HasSubstr("float32")));
  EXPECT_EQ(nlohmann::json::parse(Ablate({"describe", "--format", "json"}).out)["model"]["n_layers"], 2);
}

struct Usage {
  std::vector<std::string> arguments;
  std::string says;
};

TEST_F(ProgramTest, WrongUsageNamesTheOption) {
  const std::vector<Usage> table = {
      {{}, "a subcommand is required: scan"},
      {{"sacn", "--prompt", "x"}, "unknown command `sacn`; known commands are scan, tokenize, describe, health, means"},
      {{"--sacn"}, "unknown option `--sacn`; known commands are scan"},
      {{"means", "show"}, "unknown command `show`; known commands are compute, list, export, import, delete"},
      {{"means"}, "a subcommand is required: compute, list"},
      {{"means", "list", "x"}, "not expected: x (see `ablate means list --help`)"},
      {{"scan", "--prompt", "x", "--value", "y"}, "--value `y`: expected a number (see `ablate scan --help`)"},
      {{"scan", "--prompt", "x", "--prompt", "y"}, "--prompt is given 2 times, expected once"},
      {{"scan", "--prompt"}, "--prompt: expected a value behind it"},
      {{"scan", "--prompt", "x", "--focus-layer", "1.5"}, "--focus-layer `1.5`: expected a whole number"},
      {{"scan"}, "--prompt"},
      {{"scan", "--prompt", "x", "--prompts", "y"}, "--prompt and --prompts cannot go together: drop one"},
      {{"scan", "--contrast", "x"}, "one of --prompt"},
      {{"scan", "--prompts", "f", "--target", "x"}, "--target and --contrast belong to --prompt"},
      {{"scan", "--prompt", "x", "--layers", "3-1"}, "--layers `3-1`"},
      {{"scan", "--prompt", "x", "--heads", "a"}, "--heads `a`"},
      {{"scan", "--prompt", "x", "--top-k", "101"}, "--top-k"},
      {{"scan", "--prompt", "x", "--format", "xml"}, "--format"},
      {{"scan", "--prompt", "x", "--format", "csv", "--focus-layer", "1"}, "--focus-layer"},
      {{"scan", "--prompt", "x", "--target-id", "y"}, "--target-id"},
      {{"scan", "--prompt", "x", "--strongest", "3"}, "--strongest belongs to --sweep pairs"},
      {{"scan", "--prompt", "x", "--replace", "resample"}, "--direction noising"},
      {{"scan", "--prompt", "x", "--positions", ""}, "--positions: got nothing, expected a value"},
      {{"scan", "--prompt", "x", "--spec", ""}, "--spec: got nothing"},
      {{"scan", "--spec", "f.json", "--each-position"}, "--spec holds the whole request: drop --each-position"},
      {{"scan", "--spec", "f.json", "--value", "1"}, "drop --value"},
      {{"scan", "--spec", "/no/such.json"}, "--spec: cannot read /no/such.json"},
      {{"scan", "--prompt", "x", "--local"}, "--model"},
      {{"scan", "--prompt", "x", "--model", "m"}, "--local"},
      {{"scan", "--prompt", "x", "--server", "nonsense"}, "`nonsense`"},
      {{"scan", "--prompt", "x", "--timeout", "soon"}, "--timeout `soon`"},
      {{"scan", "--prompts", "/no/such"}, "/no/such"},
      {{"tokenize"}, "TEXT"},
  };
  for (const Usage& usage : table) {
    const auto result = Ablate(usage.arguments);
    EXPECT_EQ(result.exit_code, 2) << usage.says;
    EXPECT_THAT(result.err, HasSubstr(usage.says));
  }
}

TEST_F(ProgramTest, HelpExplainsEveryCommand) {
  for (const char* command : {"scan", "tokenize", "describe", "health"}) {
    const auto result = Ablate({command, "--help"});
    EXPECT_EQ(result.exit_code, 0);
    EXPECT_THAT(result.out, AllOf(HasSubstr("Example"), HasSubstr("--server"), HasSubstr("Exit codes"))) << command;
  }
  EXPECT_THAT(Ablate({"--version"}).out, StartsWith("ablate "));
}

TEST_F(ProgramTest, LocalStartsItsOwnServerAndStopsIt) {
  const std::string arguments_file = Path("arguments");
  const std::vector<std::string> environment = {std::string("ABLATE_SERVER_BIN=") + SCRIPTED_ABLATED,
                                                "SCRIPTED_ABLATED_ARGUMENTS=" + arguments_file,
                                                // Meant for another server.
                                                "ABLATE_LISTEN=127.0.0.1:1", "ABLATE_PORT_FILE=/no/such/folder/port",
                                                "ABLATE_CONFIG=/no/such/file", "ABLATE_MAX_REQUEST_COST=1",
                                                // For any.
                                                "ABLATE_MAX_PACKED_TOKENS=512"};
  const auto result = RunProgram({ABLATE_PROGRAM, "scan", "--local", "--model", "models/demo", "--device", "cpu",
                                  "--precision", "float64", "--threads", "2", "--prompt", "x", "--format", "csv"},
                                 environment);
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(std::count(result.out.begin(), result.out.end(), '\n'), 6);
  std::istringstream arguments(Read(arguments_file));
  pid_t pid = 0;
  arguments >> pid;
  EXPECT_NE(kill(pid, 0), 0) << "the local server still runs";
  EXPECT_THAT(arguments.str(), AllOf(HasSubstr("--model models/demo --listen unix:"),
                                     HasSubstr("--device cpu --precision float64 --threads 2"),
                                     HasSubstr(" ABLATE_MAX_PACKED_TOKENS=512"), Not(HasSubstr("ABLATE_LISTEN")),
                                     Not(HasSubstr("ABLATE_PORT_FILE")), Not(HasSubstr("ABLATE_CONFIG")),
                                     Not(HasSubstr("ABLATE_MAX_REQUEST_COST"))));
}

// Also when the client is killed without a chance to clean up.
TEST_F(ProgramTest, ALocalServerDiesWithItsClient) {
  const std::string arguments_file = Path("arguments");
  for (const int number : {SIGINT, SIGKILL}) {
    std::filesystem::remove(arguments_file);
    Program program(
        {ABLATE_PROGRAM, "scan", "--local", "--model", "slow-scan", "--prompt", "x"},
        {std::string("ABLATE_SERVER_BIN=") + SCRIPTED_ABLATED, "SCRIPTED_ABLATED_ARGUMENTS=" + arguments_file});
    pid_t pid = 0;
    for (int i = 0; i < 6000 && pid == 0; ++i) {
      usleep(10'000);
      std::istringstream(Read(arguments_file)) >> pid;
    }
    ASSERT_GT(pid, 0);
    usleep(200'000);
    program.Signal(number);
    if (number == SIGINT) {
      EXPECT_EQ(program.Wait().exit_code, 130);
    }
    bool is_gone = false;
    // A child of a killed parent is reaped by init, if the machine has one; a zombie counts as gone.
    for (int i = 0; i < 1000 && !is_gone; ++i) {
      usleep(10'000);
      const std::string stat = Read("/proc/" + std::to_string(pid) + "/stat");
      is_gone = stat.empty() || stat.find(") Z ") != std::string::npos;
    }
    EXPECT_TRUE(is_gone) << "after signal " << number;
  }
}

TEST_F(ProgramTest, ALocalServerThatFailsSaysWhy) {
  const auto result = RunProgram({ABLATE_PROGRAM, "health", "--local", "--model", "broken"},
                                 {std::string("ABLATE_SERVER_BIN=") + SCRIPTED_ABLATED});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, AllOf(HasSubstr("exit code 3"), HasSubstr("cannot load broken/config.json")));
}

}  // namespace
}  // namespace ablate::testing
