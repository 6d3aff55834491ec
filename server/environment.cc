#include "server/environment.h"

#include <cstdlib>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace ablate {
namespace {

std::string EnvironmentName(const CLI::Option& option) {
  return absl::StrCat("ABLATE_", absl::AsciiStrToUpper(absl::StrReplaceAll(option.get_lnames().front(), {{"-", "_"}})));
}

}  // namespace

// CLI11 lets the file win over the environment. Put in front of the command line, the environment wins over the file
// and loses against the command line, since the last of several counts.
std::vector<std::string> WithEnvironment(CLI::App& app, int argc, const char* const* argv) {
  std::vector<std::string> arguments;
  for (CLI::Option* option : app.get_options()) {
    const std::string& name = option->get_lnames().front();
    if (name == "help" || name == "version") continue;
    option->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
    const std::string variable = EnvironmentName(*option);
    option->description(absl::StrCat(option->get_description(), " (", variable, ")"));
    if (const char* value = std::getenv(variable.c_str()); value != nullptr && *value != '\0') {
      arguments.push_back(absl::StrCat("--", name, "=", value));
    }
  }
  arguments.insert(arguments.end(), argv + 1, argv + argc);
  // CLI11 takes a vector from behind.
  return {arguments.rbegin(), arguments.rend()};
}

}  // namespace ablate
