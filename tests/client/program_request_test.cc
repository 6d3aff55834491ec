// From `ablate`'s options to the request, and from what the server refuses back to them.
#include <fstream>
#include <string>
#include <vector>

#include "tests/client/program_fixture.h"

namespace ablate::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

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
  // Nobody is asked there.
  const auto printed = Ablate({"scan", "--prompts", "-", "--tokenizer-of", "llama", "--print-spec"}, ids);
  EXPECT_EQ(printed.exit_code, 0);
  EXPECT_THAT(printed.err, HasSubstr("note: the token ids are written unchecked"));
}

}  // namespace
}  // namespace ablate::testing
