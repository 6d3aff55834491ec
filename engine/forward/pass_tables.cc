#include "engine/forward/pass_tables.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "kernels/fan_out_check.h"

namespace ablate {
namespace {

// Of a HeadEdit, the strictest.
constexpr size_t kAlignment = alignof(kernels::HeadEdit);

template <typename T>
T* Begin(absl::Span<std::byte> block, size_t place) {
  return reinterpret_cast<T*>(block.data() + place);
}

std::vector<kernels::HeadEdit> HeadEditsOf(const LayerPlan& plan) {
  std::vector<kernels::HeadEdit> edits;
  edits.reserve(plan.row_edits.size());
  for (const RowEdit& edit : plan.row_edits) {
    edits.push_back({.head = edit.head,
                     .first_position = edit.positions.begin,
                     .end_position = edit.positions.end,
                     .scale = edit.scale,
                     .entry = edit.entry,
                     .entry_stride = edit.entry_stride,
                     .source_first = edit.source_first});
  }
  return edits;
}

// The row's place in the packed tokens. A baseline that is none is CheckIndices' to find.
kernels::AttendRow PlaceOf(const Row& row, absl::Span<const Row> rows) {
  const bool has_baseline = row.baseline >= 0 && row.baseline < static_cast<int64_t>(rows.size());
  const int32_t baseline_first = has_baseline ? rows[row.baseline].first_token : row.first_token;
  return {row.begin, row.end, row.first_token, baseline_first};
}

}  // namespace

PackedTokens PackTokens(const Chunk& chunk, absl::Span<const Scan> scans) {
  PackedTokens tokens;
  if (chunk.first_layer != 0) return tokens;
  for (const Row& row : chunk.layers.at(0).rows) {
    const Scan& scan = scans[row.prompt];
    const std::vector<int32_t>& prompt = row.is_donor ? scan.donor_token_ids : scan.token_ids;
    for (int32_t p = row.begin; p < row.end; ++p) {
      tokens.ids.push_back(prompt[p]);
      tokens.positions.push_back(p);
    }
  }
  return tokens;
}

PassLayout::PassLayout(PassShape room) : room_(std::move(room)) {
  ids_ = Place<int32_t>(room_.layers.at(0).tokens_in);
  positions_ = Place<int32_t>(room_.layers[0].tokens_in);
  places_.reserve(room_.layers.size());
  for (const LayerShape& layer : room_.layers) {
    places_.push_back({.attend_rows = Place<kernels::AttendRow>(layer.rows_in),
                       .source_token = Place<int32_t>(layer.tokens_out),
                       .position = Place<int32_t>(layer.tokens_out),
                       .row = Place<int32_t>(layer.tokens_out),
                       // One more row for the tokens behind the chunk's.
                       .row_edit_begin = Place<int32_t>(layer.rows_out + 2),
                       .edits = Place<kernels::HeadEdit>(layer.edits)});
  }
}

template <typename T>
size_t PassLayout::Place(int64_t count) {
  const size_t place = bytes_;
  bytes_ += (static_cast<size_t>(count) * sizeof(T) + kAlignment - 1) / kAlignment * kAlignment;
  return place;
}

void PassLayout::Write(absl::Span<const HostTables> layers, const PackedTokens& tokens, OwnAttention own,
                       absl::Span<std::byte> block) const {
  // A table at `place`, filled up to `size` values.
  const auto write = [&](const std::vector<int32_t>& values, size_t place, int64_t size, int32_t fill) {
    int32_t* const begin = Begin<int32_t>(block, place);
    std::fill(std::copy(values.begin(), values.end(), begin), begin + size, fill);
  };
  write(tokens.ids, ids_, room_.layers[0].tokens_in, 0);
  write(tokens.positions, positions_, room_.layers[0].tokens_in, 0);
  for (size_t i = 0; i < layers.size(); ++i) {
    const LayerPlan& plan = layers[i].plan();
    const LayerTables& tables = layers[i].tables();
    const LayerShape& room = room_.layers[i];
    const Places& places = places_[i];
    auto* const rows = Begin<kernels::AttendRow>(block, places.attend_rows);
    auto* const rows_end = std::copy_if(tables.attend_rows, tables.attend_rows + tables.n_attend_rows, rows,
                                        [&](const kernels::AttendRow& row) { return own.Takes(row.begin, row.end); });
    std::fill(rows_end, rows + room.rows_in, kernels::AttendRow());
    write(plan.source_token, places.source_token, room.tokens_out, 0);
    write(plan.position, places.position, room.tokens_out, 0);
    // One more row, without edits, whose the tokens behind the chunk's are.
    write(plan.row, places.row, room.tokens_out, static_cast<int32_t>(plan.row_edit_begin.size()) - 1);
    write(plan.row_edit_begin, places.row_edit_begin, room.rows_out + 2, plan.row_edit_begin.back());
    std::copy(tables.edits, tables.edits + plan.row_edits.size(), Begin<kernels::HeadEdit>(block, places.edits));
  }
}

TokenTables PassLayout::TokensAt(const std::byte* base) const {
  return {reinterpret_cast<const int32_t*>(base + ids_), reinterpret_cast<const int32_t*>(base + positions_),
          room_.layers[0].tokens_in};
}

LayerTables PassLayout::At(const std::byte* base, size_t index) const {
  const Places& places = places_[index];
  const auto at = [&]<typename T>(size_t place, const T*& table) { table = reinterpret_cast<const T*>(base + place); };
  LayerTables tables;
  at(places.attend_rows, tables.attend_rows);
  at(places.source_token, tables.source_token);
  at(places.position, tables.position);
  at(places.row, tables.row);
  at(places.row_edit_begin, tables.row_edit_begin);
  at(places.edits, tables.edits);
  tables.n_attend_rows = room_.layers[index].rows_in;
  tables.tokens_in = room_.layers[index].tokens_in;
  tables.tokens_out = room_.layers[index].tokens_out;
  return tables;
}

HostTables::HostTables(const LayerPlan& plan) : plan_(plan), edits_(HeadEditsOf(plan)) {
  attend_rows_.reserve(plan.rows.size());
  for (const Row& row : plan.rows) attend_rows_.push_back(PlaceOf(row, plan.rows));
  tables_ = {.attend_rows = attend_rows_.data(),
             .n_attend_rows = static_cast<int64_t>(attend_rows_.size()),
             .source_token = plan.source_token.data(),
             .position = plan.position.data(),
             .row = plan.row.data(),
             .row_edit_begin = plan.row_edit_begin.data(),
             .edits = edits_.data(),
             .tokens_in = plan.n_tokens_in,
             .tokens_out = static_cast<int64_t>(plan.source_token.size())};
}

std::string CheckTokens(const PackedTokens& tokens, int64_t vocab_size, int64_t n_positions) {
  if (tokens.ids.size() != tokens.positions.size()) {
    return absl::StrCat("embed: ", tokens.ids.size(), " ids at ", tokens.positions.size(), " positions");
  }
  const auto check = [](const char* name, const std::vector<int32_t>& indices, int64_t size) -> std::string {
    for (const int32_t i : indices) {
      if (i < 0 || i >= size) return absl::StrCat("embed: ", name, " is ", i, ", expected 0 to ", size - 1);
    }
    return "";
  };
  std::string problem = check("an id", tokens.ids, vocab_size);
  return problem.empty() ? check("a position", tokens.positions, n_positions) : problem;
}

std::string CheckIndices(const HostTables& layer, int32_t n_heads, int64_t n_entries) {
  const LayerPlan& plan = layer.plan();
  const LayerTables& tables = layer.tables();
  for (const Row& row : plan.rows) {
    const bool inside = row.begin >= 0 && row.begin <= row.end && row.first_token >= 0 &&
                        int64_t{row.first_token} + row.end - row.begin <= plan.n_tokens_in;
    const bool has_keys =
        row.begin == 0 || (row.baseline >= 0 && row.baseline < static_cast<int64_t>(plan.rows.size()) &&
                           plan.rows[row.baseline].begin == 0 && plan.rows[row.baseline].end >= row.begin);
    if (inside && has_keys) continue;
    return absl::StrCat("attend: a row at positions ", row.begin, " to ", row.end, " from token ", row.first_token,
                        " with baseline row ", row.baseline, " does not fit ", plan.n_tokens_in, " tokens");
  }
  return kernels::CheckFanOutIndices<float>({.source_token = tables.source_token,
                                             .position = tables.position,
                                             .row = tables.row,
                                             .row_edit_begin = tables.row_edit_begin,
                                             .edits = tables.edits,
                                             .n_tokens_out = tables.tokens_out,
                                             .n_heads = n_heads},
                                            {.n_tokens_in = plan.n_tokens_in,
                                             .n_rows = static_cast<int64_t>(plan.row_edit_begin.size()) - 1,
                                             .n_edits = static_cast<int64_t>(plan.row_edits.size()),
                                             .n_entries = n_entries});
}

}  // namespace ablate
