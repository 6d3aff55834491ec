#include "engine/forward/device_tables.h"

#include <cstdint>
#include <utility>

#include "engine/forward/cuda_launch.h"
#include "engine/forward/ops.h"

namespace ablate {

DeviceTables::DeviceTables(const Chunk& chunk, const PackedTokens& tokens, const GptConfig& config, int64_t n_entries,
                           c10::Device device)
    : config_(config) {
  if (!device.is_cpu()) {
    layout_.emplace(ShapeOf(chunk, kRowMultiple));
    block_ = at::empty({static_cast<int64_t>(layout_->bytes())}, at::TensorOptions(at::kByte).device(device));
  }
  Fill(chunk, tokens, n_entries);
}

DeviceTables::DeviceTables(PassShape room, const GptConfig& config, c10::Device device)
    : config_(config), layout_(std::move(room)) {
  block_ = at::empty({static_cast<int64_t>(layout_->bytes())}, at::TensorOptions(at::kByte).device(device));
}

void DeviceTables::Fill(const Chunk& chunk, const PackedTokens& tokens, int64_t n_entries) {
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
  // A new one each time: the copy out of the last one may not have begun.
  const at::TensorOptions bytes = at::TensorOptions(at::kByte).pinned_memory(block_.is_cuda());
  const at::Tensor staged = at::zeros({block_.numel()}, bytes);
  layout_->Write(host, tokens, block_.is_cuda() ? ShortRowEnd(config_.d_head) : INT32_MAX,
                 {static_cast<std::byte*>(staged.data_ptr()), layout_->bytes()});
  block_.copy_(staged, /*non_blocking=*/true);
}

TokenTables DeviceTables::tokens() const {
  if (!layout_.has_value()) return host_tokens_;
  return layout_->TokensAt(static_cast<const std::byte*>(block_.const_data_ptr()));
}

LayerTables DeviceTables::At(size_t index) const {
  if (!layout_.has_value()) return host_[index].tables();
  return layout_->At(static_cast<const std::byte*>(block_.const_data_ptr()), index);
}

}  // namespace ablate
