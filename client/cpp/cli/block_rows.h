// Rows of the stream's columnar blocks, one by one.
#pragma once

#include <memory>
#include <string>

#include "ablation/v1/scan.pb.h"
#include "absl/container/flat_hash_map.h"

namespace ablate::cli {

// A block that owns its columns, with the texts of its tokens at hand. Immutable.
class Block {
 public:
  explicit Block(ablation::v1::RowBlock block);
  const ablation::v1::RowBlock& columns() const { return columns_; }
  // The text of a token that the block names; null where the server did not send it.
  const std::string* TokenText(int32_t id) const;

 private:
  ablation::v1::RowBlock columns_;
  absl::flat_hash_map<int32_t, int> token_at_;
};

// One row. Shares its block's ownership; an empty `block` is a row that has not come.
struct Row {
  std::shared_ptr<const Block> block;
  int index = 0;

  const ablation::v1::RowBlock& columns() const { return block->columns(); }
  int32_t prompt() const { return columns().prompt_index(index); }
  int32_t variant() const { return columns().variant(index); }
  // Text of the row's most probable token; empty where the server did not send it.
  std::string Top1Text() const;
};

}  // namespace ablate::cli
