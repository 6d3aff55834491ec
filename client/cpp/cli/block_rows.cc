#include "client/cpp/cli/block_rows.h"

#include <limits>
#include <utility>

namespace ablate::cli {

Block::Block(ablation::v1::RowBlock block) : columns_(std::move(block)) {
  for (int i = 0; i < columns_.tokens_size(); ++i) token_at_.emplace(columns_.tokens(i).id(), i);
}

const std::string* Block::TokenText(int32_t id) const {
  const auto found = token_at_.find(id);
  return found == token_at_.end() ? nullptr : &columns_.tokens(found->second).text();
}

double Row::Value(const google::protobuf::RepeatedField<double>& column) const {
  return index < column.size() ? column.Get(index) : std::numeric_limits<double>::quiet_NaN();
}

std::string Row::Top1Text() const {
  if (columns().top1_id_size() == 0) return "";
  const std::string* text = block->TokenText(columns().top1_id(index));
  return text == nullptr ? "" : *text;
}

}  // namespace ablate::cli
