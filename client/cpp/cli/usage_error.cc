#include "client/cpp/cli/usage_error.h"

#include <CLI/CLI.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"

namespace ablate::cli {
namespace {

struct Innermost {
  const CLI::App* app;
  std::string name;  // `ablate means list`
};

Innermost CommandOf(const CLI::App& app) {
  Innermost command = {&app, app.get_name()};
  while (!command.app->get_subcommands().empty()) {
    command.app = command.app->get_subcommands().front();
    absl::StrAppend(&command.name, " ", command.app->get_name());
  }
  return command;
}

std::string Expected(const CLI::Option* option) {
  const std::string type = option == nullptr ? "" : option->get_type_name();
  if (absl::StartsWith(type, "INT")) return "a whole number";
  if (absl::StartsWith(type, "UINT")) return "a whole number, 0 or more";
  if (absl::StartsWith(type, "FLOAT")) return "a number";
  return "another value";
}

std::string MissingCommand(const CLI::App& app) {
  const std::string known =
      absl::StrJoin(app.get_subcommands([](const CLI::App*) { return true; }), ", ",
                    [](std::string* out, const CLI::App* command) { out->append(command->get_name()); });
  const auto rest = app.remaining();
  if (rest.empty()) return absl::StrCat("a subcommand is required: ", known);
  const char* what = absl::StartsWith(rest[0], "-") ? "option" : "command";
  return absl::StrCat("unknown ", what, " `", rest[0], "`; known commands are ", known);
}

// CLI11's texts, where they leave open what came or what was expected.
std::string Explain(const CLI::App& app, const CLI::ParseError& error) {
  const std::string text = error.what();
  absl::string_view rest = text;
  if (absl::ConsumePrefix(&rest, "Could not convert: ")) {
    const size_t equals = rest.find(" = ");
    if (equals == absl::string_view::npos) return text;
    const std::string name(rest.substr(0, equals));
    return absl::StrCat(name, " `", rest.substr(equals + 3), "`: expected ", Expected(app.get_option_no_throw(name)));
  }
  if (const size_t at = text.find(": At Most 1 required but received "); at != std::string::npos) {
    return absl::StrCat(text.substr(0, at), " is given ", text.substr(text.rfind(' ') + 1), " times, expected once");
  }
  if (const size_t at = text.find(": 1 required "); at != std::string::npos && absl::EndsWith(text, " missing")) {
    return absl::StrCat(text.substr(0, at), ": expected a value behind it");
  }
  if (error.get_name() == "RequiredError" && absl::StrContains(text, "subcommand")) return MissingCommand(app);
  return text;
}

}  // namespace

std::string UsageMessage(const CLI::App& app, const CLI::ParseError& error) {
  const Innermost command = CommandOf(app);
  return absl::StrCat(Explain(*command.app, error), " (see `", command.name, " --help`)");
}

}  // namespace ablate::cli
