#include "tests/server/row_map.h"

#include "gtest/gtest.h"

namespace ablate {
namespace {

namespace pb = ::ablation::v1;

double Value(const pb::RowBlock& block, const google::protobuf::FieldDescriptor* field, int row) {
  const auto* reflection = block.GetReflection();
  switch (field->cpp_type()) {
    case google::protobuf::FieldDescriptor::CPPTYPE_DOUBLE:
      return reflection->GetRepeatedDouble(block, field, row);
    case google::protobuf::FieldDescriptor::CPPTYPE_INT32:
      return reflection->GetRepeatedInt32(block, field, row);
    case google::protobuf::FieldDescriptor::CPPTYPE_BOOL:
      return reflection->GetRepeatedBool(block, field, row) ? 1 : 0;
    default:
      ADD_FAILURE() << field->full_name();
      return 0;
  }
}

void AddRows(const pb::RowBlock& block, std::map<RowKey, RowColumns>& rows) {
  const auto* description = pb::RowBlock::GetDescriptor();
  for (int i = 0; i < block.variant_size(); ++i) {
    RowKey key = {.prompt = block.prompt_index(i), .variant = block.variant(i), .position = block.position(i)};
    key.replacement = block.variant(i) < 0 ? -1 : 0;
    if (!block.replacement().empty()) key.replacement = block.replacement(i);
    if (!block.edit_position().empty()) key.edit_position = block.edit_position(i);
    RowColumns columns;
    for (int f = 0; f < description->field_count(); ++f) {
      const auto* field = description->field(f);
      const int size = block.GetReflection()->FieldSize(block, field);
      if (size == 0 || field->name() == "tokens" || field->name().starts_with("top_k")) continue;
      EXPECT_EQ(size, block.variant_size()) << field->name();
      if (size == block.variant_size()) columns[field->name()] = Value(block, field, i);
    }
    EXPECT_TRUE(rows.emplace(key, columns).second)
        << "twice: prompt " << key.prompt << " replacement " << key.replacement << " variant " << key.variant
        << " edit position " << key.edit_position << " position " << key.position;
  }
}

}  // namespace

RowKey CleanRow(int prompt, int position) {
  return {.prompt = prompt, .replacement = -1, .variant = -1, .position = position};
}

RowKey CorruptedRow(int prompt, int position) {
  return {.prompt = prompt, .replacement = -1, .variant = -2, .position = position};
}

std::map<RowKey, RowColumns> RowsOf(const ScanResult& result) {
  std::map<RowKey, RowColumns> rows;
  for (const pb::RowBlock& block : result.row_blocks()) AddRows(block, rows);
  return rows;
}

}  // namespace ablate
