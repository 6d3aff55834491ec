// What `ablate` says of wrong usage, and its help.
#include <string>
#include <vector>

#include "tests/client/program_fixture.h"

namespace ablate::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

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
      {{"scan", "--prompt", "x", "--explain", "--format", "csv"}, "--explain with --format csv: there are no rows"},
      {{"scan", "--prompt", "x", "--explain", "--print-spec"}, "--print-spec asks no server"},
      {{"scan", "--prompt", "x", "--explain", "--focus-layer", "1"}, "--focus-layer belongs to a scan"},
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

}  // namespace
}  // namespace ablate::testing
