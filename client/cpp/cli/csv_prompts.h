// Data sets in CSV: a header, then a prompt a record.
#pragma once

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "client/cpp/cli/data_set.h"

namespace ablate::cli {

// Columns as the keys of ParseJsonLines; an empty cell is as good as absent. Lists (`token_ids`, `targets`, ...) are
// written as JSON, texts with their leading space. Besides these:
//   `target_id`, `contrast_id`        a token by its id;
//   `correct_idx`, `incorrect_idx`    the same under EAP-IG's names: `has_foreign_ids`;
//   `label`, beside `clean` and `corrupted` and without any answer: EAP-IG's greater-than. The label is a two-digit
//                                     year; the targets are the larger years, the contrasts the others (its own
//                                     included, as EAP-IG counts), as the tokens `00` .. `99` that continue a century,
//                                     and REDUCTION_PROB_SUM scores them.
// Other columns are fields; one without a name is `column_N`, from 1. InvalidArgument names `source` and the line.
absl::Status ParseCsvPrompts(absl::string_view source, absl::string_view text, DataSet* data);

}  // namespace ablate::cli
