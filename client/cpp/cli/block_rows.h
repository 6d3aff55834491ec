// Entries of the stream's columnar blocks, one by one.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "ablation/v1/scan.pb.h"
#include "absl/container/flat_hash_map.h"
#include "client/cpp/row_space.h"

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
  int32_t position() const { return columns().position(index); }
  client::RunKey key() const { return client::KeyOf(columns(), index); }
  bool is_unedited() const { return variant() < 0; }
  // Of a column that may be absent: NaN where it is.
  double Value(const google::protobuf::RepeatedField<double>& column) const;
  // Text of the row's most probable token; empty where the server did not send it.
  std::string Top1Text() const;
};

// One entry of a block of another kind, likewise.
template <typename Message>
struct Entry {
  std::shared_ptr<const Message> block;
  int index = 0;

  client::RunKey key() const { return client::KeyOf(*block, index); }
};

using LikelihoodEntry = Entry<ablation::v1::LikelihoodBlock>;
using CompensationEntry = Entry<ablation::v1::CompensationBlock>;

// The statistics over the prompts, whole.
struct Summary {
  ablation::v1::SummaryHead head;
  std::vector<ablation::v1::SummaryBlock> blocks;
};

}  // namespace ablate::cli
