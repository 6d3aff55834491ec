#include "engine/forward/device_tables.h"

#include <bit>
#include <cstdint>
#include <utility>

#include "engine/forward/cuda_launch.h"
#include "engine/forward/ops.h"

namespace ablate {

namespace {

int64_t EntriesOf(const at::Tensor& edit_table) {
  return edit_table.defined() ? edit_table.size(0) : 0;
}

at::Tensor BlockFor(const PassLayout& layout, c10::Device device) {
  return at::empty({static_cast<int64_t>(layout.bytes())}, at::TensorOptions(at::kByte).device(device));
}

}  // namespace

DeviceTables::DeviceTables(const Chunk& chunk, const PackedTokens& tokens, const GptConfig& config,
                           at::Tensor edit_table, const PassDevice& on)
    : config_(config), on_(on), edit_table_(std::move(edit_table)) {
  if (!on.device.is_cpu()) block_ = BlockFor(layout_.emplace(ShapeOf(chunk, kRowMultiple)), on.device);
  Fill(chunk, tokens, edit_table_);
}

DeviceTables::DeviceTables(PassShape room, const GptConfig& config, const at::Tensor& edit_table, const PassDevice& on)
    : config_(config), on_(on), layout_(std::move(room)), block_(BlockFor(*layout_, on.device)) {
  if (!edit_table.defined()) return;
  const auto entries = static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(EntriesOf(edit_table))));
  edit_table_ = at::zeros({entries, edit_table.size(1)}, edit_table.options());
}

bool DeviceTables::Fits(const at::Tensor& edit_table) const {
  return EntriesOf(edit_table) <= EntriesOf(edit_table_);
}

int64_t DeviceTables::bytes() const {
  const auto bytes_of = [](const at::Tensor& tensor) { return tensor.defined() ? tensor.nbytes() : 0; };
  return static_cast<int64_t>(bytes_of(block_) + bytes_of(edit_table_));
}

void DeviceTables::Fill(const Chunk& chunk, const PackedTokens& tokens, const at::Tensor& edit_table) {
  const int64_t n_entries = EntriesOf(edit_table);
  CheckArguments(CheckTokens(tokens, config_.vocab_size, config_.n_positions));
  std::vector<HostTables> host;
  host.reserve(chunk.layers.size());
  for (const LayerPlan& plan : chunk.layers) {
    host.emplace_back(plan);
    CheckArguments(CheckIndices(host.back(), config_.n_heads, n_entries));
  }
  if (!layout_.has_value()) {
    host_ = std::move(host);
    host_tokens_ = tokens.tables();
    return;
  }
  TORCH_CHECK(Holds(layout_->room(), ShapeOf(chunk, 1)), "tables: the room does not hold the chunk");
  TORCH_CHECK(Fits(edit_table), "tables: the room does not hold ", n_entries, " entries");
  if (n_entries > 0 && !edit_table_.is_same(edit_table)) edit_table_.narrow(0, 0, n_entries).copy_(edit_table);
  // A new one each time: the copy out of the last one may not have begun.
  const at::TensorOptions bytes = at::TensorOptions(at::kByte).pinned_memory(block_.is_cuda());
  const at::Tensor staged = at::empty({block_.numel()}, bytes);
  layout_->Write(host, tokens, on_.own_attention, {static_cast<std::byte*>(staged.data_ptr()), layout_->bytes()});
  block_.copy_(staged, /*non_blocking=*/true);
}

TokenTables DeviceTables::tokens() const {
  if (!layout_.has_value()) return host_tokens_;
  return layout_->TokensAt(static_cast<const std::byte*>(block_.const_data_ptr()));
}

LayerTables DeviceTables::At(size_t index) const {
  if (!layout_.has_value()) return host_[index].tables();
  LayerTables tables = layout_->At(static_cast<const std::byte*>(block_.const_data_ptr()), index);
  tables.own_attention = on_.own_attention;
  return tables;
}

}  // namespace ablate
