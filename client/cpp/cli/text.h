// Text for people: quoted tokens, widths, cuts.
#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace ablate::cli {

// A token in single quotes, its spaces visible; control characters (which could steer a terminal), quotes and
// backslashes are escaped.
std::string Quote(absl::string_view token);

// Characters shown: code points, without colour escapes. (Wide characters count as one.)
int VisibleWidth(absl::string_view text);

// At most `width` characters, the last one an ellipsis `...` where something was cut.
std::string Cut(absl::string_view text, int width);

// The same with `suffix` behind it, which stays whole: `a long na...@7`.
std::string CutBefore(absl::string_view text, absl::string_view suffix, int width);

// Padded with spaces to `width` characters; longer text stays as it is.
std::string PadRight(absl::string_view text, int width);
std::string PadLeft(absl::string_view text, int width);

// Broken at spaces into lines of at most `width` characters; a longer word stays whole.
std::string Wrap(absl::string_view text, int width);

}  // namespace ablate::cli
