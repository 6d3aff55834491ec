#include "server/interaction.h"

#include <map>
#include <utility>

namespace ablate {

PairIndex::PairIndex(absl::Span<const SiteSet> variants) : parts_(variants.size()) {
  std::map<Site, int32_t> single;
  for (size_t v = 0; v < variants.size(); ++v) {
    if (variants[v].sites.size() == 1) single[variants[v].sites[0]] = static_cast<int32_t>(v);
  }
  for (size_t v = 0; v < variants.size(); ++v) {
    const auto& sites = variants[v].sites;
    if (sites.size() != 2) continue;
    const auto first = single.find(sites[0]), second = single.find(sites[1]);
    if (first != single.end() && second != single.end()) parts_[v] = {first->second, second->second};
  }
}

void Interactions::Take(const WireRows& rows, WireRows& complete) {
  const std::vector<double>* delta = PrimaryDelta(rows.values, primary_);
  const bool has_delta = delta != nullptr && !delta->empty();
  for (size_t i = 0; i < rows.size(); ++i) {
    if (!has_delta) {
      AppendRow(rows, i, complete);
      continue;
    }
    if (rows.values.variant[i] < 0) {
      AppendRow(rows, i, complete);
      complete.interaction.push_back(0);
      continue;
    }
    Group& group = groups_[Key(rows.replacement[i], rows.edit_position[i], rows.values.position[i])];
    TakeRow(rows, i, group, complete);
  }
}

void Interactions::TakeRow(const WireRows& rows, size_t row, Group& group, WireRows& complete) {
  const int32_t variant = rows.values.variant[row];
  const double delta = (*PrimaryDelta(rows.values, primary_))[row];
  const PairIndex::Parts parts = index_->PartsOf(variant);
  if (parts.first < 0) {
    group.singles[variant] = delta;
    AppendRow(rows, row, complete);
    complete.interaction.push_back(0);
    const auto waiting = group.waiting.find(variant);
    if (waiting == group.waiting.end()) return;
    const WireRows released = std::move(waiting->second);
    group.waiting.erase(waiting);
    for (size_t i = 0; i < released.size(); ++i) TakeRow(released, i, group, complete);
    return;
  }
  const auto first = group.singles.find(parts.first), second = group.singles.find(parts.second);
  if (first == group.singles.end() || second == group.singles.end()) {
    AppendRow(rows, row, group.waiting[first == group.singles.end() ? parts.first : parts.second]);
    return;
  }
  AppendRow(rows, row, complete);
  complete.interaction.push_back(delta - first->second - second->second);
}

}  // namespace ablate
