// Where a user's own files lie, as the XDG base directory specification has it.
#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace ablate {

// `$XDG_DATA_HOME/ablate/NAME`, else `$HOME/.local/share/ablate/NAME`; empty where neither is set to an absolute path.
std::string UserDataFolder(absl::string_view name);
// `$XDG_CACHE_HOME/ablate`, else `$HOME/.cache/ablate`, likewise: for what is only slow to come by again.
std::string UserCacheFolder();

}  // namespace ablate
