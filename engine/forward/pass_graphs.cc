#include "engine/forward/pass_graphs.h"

#include <utility>

#include "engine/forward/layer.h"
#include "engine/forward/ops.h"

namespace ablate {

at::Tensor PassGraphs::Run(const Chunk& chunk, const PackedTokens& tokens, const at::Tensor& edit_table,
                           const PassDevice& on, Layers layers) {
  DropStale();
  const PassShape need = ShapeOf(chunk, kRowMultiple);
  const bool is_large = need.tokens() > kMostTokens || (edit_table.defined() && edit_table.size(0) > kMostEntries);
  if (is_large) return RunPlainly(chunk, tokens, edit_table, on, layers);
  const auto is_usable = [&](const Recorded& pass) { return pass.tables.Fits(edit_table); };
  if (Recorded* const pass = recorded_.Find(need, is_usable); pass != nullptr) {
    pass->tables.Fill(chunk, tokens, edit_table);
    if (pass->launches->Launch()) {
      ++n_replayed_;
      return workspace_.Take(pass->slot, {pass->rows, config_.d_model});
    }
    recorded_.DropFront();
  } else if (can_record_ && recorded_.Remember(need)) {
    return RunAndRecord(chunk, tokens, edit_table, on, layers);
  }
  return RunPlainly(chunk, tokens, edit_table, on, layers);
}

at::Tensor PassGraphs::RunPlainly(const Chunk& chunk, const PackedTokens& tokens, const at::Tensor& edit_table,
                                  const PassDevice& on, Layers layers) {
  const DeviceTables tables(chunk, tokens, config_, edit_table, on);
  return layers(tables, PadRows(chunk.layers.at(0).n_tokens_in));
}

at::Tensor PassGraphs::RunAndRecord(const Chunk& chunk, const PackedTokens& tokens, const at::Tensor& edit_table,
                                    const PassDevice& on, Layers layers) {
  const PassShape room = RoomFor(ShapeOf(chunk, kRowMultiple));
  ReserveFor(room, config_, workspace_);
  DropStale();
  DeviceTables tables(room, config_, edit_table, on);
  tables.Fill(chunk, tokens, edit_table);
  const int64_t n = room.layers[0].tokens_in;
  at::Tensor x;
  recorder_.rehearse([&] { x = layers(tables, n); });
  std::unique_ptr<RecordedLaunches> launches = recorder_.record([&] { layers(tables, n); });
  if (launches == nullptr) {
    can_record_ = false;
    return x;
  }
  ++n_recorded_;
  const int64_t bytes = tables.bytes() + launches->bytes();
  const bool in_a = x.data_ptr() == workspace_.Take(Slot::kResidualA, {1}).data_ptr();
  recorded_.Add(room,
                std::make_unique<Recorded>(Recorded{.tables = std::move(tables),
                                                    .launches = std::move(launches),
                                                    .slot = in_a ? Slot::kResidualA : Slot::kResidualB,
                                                    .rows = x.size(0)}),
                bytes);
  return x;
}

void PassGraphs::DropStale() {
  if (generation_ == workspace_.generation()) return;
  recorded_.Clear();
  generation_ = workspace_.generation();
}

}  // namespace ablate
