// What is wrong with a command line that could not be parsed.
#pragma once

#include <string>

namespace CLI {
class App;
class ParseError;
}  // namespace CLI

namespace ablate::cli {

// Names the option, what came and what was expected, in the words of the other errors, and the help that explains it.
std::string UsageMessage(const CLI::App& app, const CLI::ParseError& error);

}  // namespace ablate::cli
