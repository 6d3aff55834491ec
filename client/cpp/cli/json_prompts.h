// Data sets in JSON: one object a line, or auto-circuit's one document.
#pragma once

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "client/cpp/cli/data_set.h"

namespace ablate::cli {

// One object a line; empty lines are skipped. Keys: `prompt` (or `clean`, or `text`), or `token_ids`; `target`,
// `contrast`: a text, or an id as a number, or a list of them, an answer set (`targets`, `contrasts` are the same, as
// are auto-circuit's `answers`, `wrong_answers`); `corrupted` (or `corrupt`), or `corrupted_token_ids`; `template`.
// null is as good as absent. Other keys are fields. InvalidArgument names `source` and the line.
absl::Status ParseJsonLines(absl::string_view source, absl::string_view text, DataSet* data);

// auto-circuit's layout: {"prompts": [{"clean", "corrupt", "answers", "wrong_answers"}]}, with the same keys for each
// prompt; or the list alone. What else the document holds is not looked at. InvalidArgument names `source` and
// `prompts[i]`.
absl::Status ParseJsonDocument(absl::string_view source, absl::string_view text, DataSet* data);

// Whether `text`, without space in front, is a document with `prompts` or a list, rather than lines.
bool IsJsonDocument(absl::string_view text);

}  // namespace ablate::cli
