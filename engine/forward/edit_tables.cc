#include "engine/forward/edit_tables.h"

#include <ATen/Functions.h>

#include <algorithm>
#include <limits>

namespace ablate {

EditTables::Combined EditTables::Combine(absl::Span<const Scan> scans, const at::TensorOptions& options) {
  std::vector<std::shared_ptr<const EditTable>> tables;
  for (const Scan& scan : scans) {
    const bool is_new = scan.table != nullptr && std::find(tables.begin(), tables.end(), scan.table) == tables.end();
    if (is_new) tables.push_back(scan.table);
  }
  // One that is gone equals none of them, also where another took its address.
  const auto is_kept = [](const std::weak_ptr<const EditTable>& kept, const std::shared_ptr<const EditTable>& table) {
    return kept.lock() == table;
  };
  if (!std::equal(tables_.begin(), tables_.end(), tables.begin(), tables.end(), is_kept)) {
    Clear();
    std::vector<at::Tensor> parts;
    for (const auto& table : tables) {
      // from_blob wants a pointer to non-const; nothing writes through it.
      auto* values = const_cast<double*>(table->values.data());  // NOLINT(cppcoreguidelines-pro-type-const-cast)
      parts.push_back(at::from_blob(values, {table->n_entries(), table->d_head}, at::kDouble).to(options, false, true));
    }
    if (!parts.empty()) entries_ = parts.size() == 1 ? parts[0] : at::cat(parts);
    tables_.assign(tables.begin(), tables.end());
  }
  Combined combined{entries_, std::vector<int32_t>(scans.size(), 0)};
  TORCH_CHECK(!entries_.defined() || entries_.size(0) <= std::numeric_limits<int32_t>::max(), "the edit tables have ",
              entries_.size(0), " entries, expected at most ", std::numeric_limits<int32_t>::max());
  for (size_t i = 0; i < scans.size(); ++i) {
    for (size_t t = 0; scans[i].table != nullptr && tables[t] != scans[i].table; ++t) {
      combined.first_entry[i] += static_cast<int32_t>(tables[t]->n_entries());
    }
  }
  return combined;
}

void EditTables::Trim() {
  if (entries_.defined() && static_cast<int64_t>(entries_.nbytes()) > most_kept_bytes_) Clear();
}

void EditTables::Clear() {
  tables_.clear();
  entries_.reset();
}

}  // namespace ablate
