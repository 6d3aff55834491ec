// The one list of columns that JSONL and CSV write. Names are docs/design.md's; a column with a field of the same name
// in RowBlock takes its values from there, the others are computed here.
#pragma once

#include <cstdint>
#include <string>
#include <variant>

#include "ablation/v1/scan.pb.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "client/cpp/cli/block_rows.h"
#include "client/cpp/cli/legend.h"

namespace ablate::cli {

// A column that is absent for a row (no target was set, say) is monostate: null in JSONL, empty in CSV.
using Cell = std::variant<std::monostate, bool, int64_t, double, std::string>;

struct Column {
  absl::string_view name;
  Cell (*value)(const Column& column, const Legend& legend, const Row& row);
  // RowBlock's of the same name; null where there is none.
  const google::protobuf::FieldDescriptor* field;
};

// In the order in which they are written; `top_k`, which holds several values a row, and the data set's fields follow
// them.
absl::Span<const Column> Columns();

// What names a run, for what is written beside the rows. `label`, `name` (of a group) and `replacement` as their
// columns.
struct RunNames {
  Cell replacement, label, name, edit_position;
};
RunNames NameRun(const Legend& legend, const client::RunKey& key);

}  // namespace ablate::cli
