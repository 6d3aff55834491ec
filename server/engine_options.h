// The options that every way of starting an engine has.
#pragma once

#include <string>

#include "CLI/CLI.hpp"
#include "engine/engine.h"

namespace ablate {

// An option whose value is a folder; `none` makes it empty: an empty value gets lost in the environment, and CLI11 does
// not see it behind `=`. `folder` outlives `app`.
template <typename Folder>
CLI::Option* AddFolderOrNone(CLI::App& app, const std::string& name, Folder& folder, const std::string& help) {
  return app.add_option_function<std::string>(
      name, [&folder](const std::string& text) { folder = text == "none" ? "" : text; }, help);
}

// Adds --model (required), --device and --threads, which write to `options`; it outlives `app`.
void AddModelOptions(CLI::App& app, EngineOptions& options);

// The same and --precision.
void AddEngineOptions(CLI::App& app, EngineOptions& options);

}  // namespace ablate
