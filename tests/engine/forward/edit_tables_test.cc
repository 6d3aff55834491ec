#include "engine/forward/edit_tables.h"

#include <ATen/core/Tensor.h>
#include <gtest/gtest.h>

#include <memory>
#include <vector>

namespace ablate {
namespace {

const at::TensorOptions kFloat = at::TensorOptions().dtype(at::kFloat);

// [E, 2]
std::shared_ptr<const EditTable> Table(std::vector<double> values) {
  return std::make_shared<const EditTable>(EditTable{.d_head = 2, .values = std::move(values)});
}

Scan ScanWith(std::shared_ptr<const EditTable> table) {
  Scan scan;
  scan.table = std::move(table);
  return scan;
}

TEST(EditTables, ARequestsRunsShareOneCopy) {
  EditTables tables;
  const std::vector<Scan> scans = {ScanWith(Table({1, 2, 3, 4})), ScanWith(Table({5, 6})), ScanWith(nullptr)};
  const EditTables::Combined first = tables.Combine(scans, kFloat);
  EXPECT_EQ(first.first_entry, (std::vector<int32_t>{0, 2, 0}));
  EXPECT_EQ(first.entries.size(0), 3);
  EXPECT_EQ(first.entries[2][1].item<float>(), 6);
  tables.Trim();
  EXPECT_EQ(tables.Combine(scans, kFloat).entries.data_ptr(), first.entries.data_ptr());
}

// The host's copy of a mean library's table may have 2 GiB, and its request's budget is given back when it ends.
TEST(EditTables, TheTablesGoWithTheirRequest) {
  EditTables tables;
  std::vector<Scan> scans = {ScanWith(Table({1, 2}))};
  const std::weak_ptr<const EditTable> table = scans[0].table;
  tables.Combine(scans, kFloat);
  tables.Trim();
  scans.clear();
  EXPECT_TRUE(table.expired());
}

// Also where the next table lies where the last one lay.
TEST(EditTables, AnotherRequestGetsItsOwn) {
  EditTables tables;
  for (const double value : {1.0, 2.0, 3.0}) {
    const std::vector<Scan> scans = {ScanWith(Table({value, value}))};
    EXPECT_EQ(tables.Combine(scans, kFloat).entries[0][0].item<float>(), value);
  }
}

TEST(EditTables, ALargeCopyGoesAtTheEndOfItsRun) {
  constexpr int64_t kMostBytes = 16;
  EditTables tables(kMostBytes);
  const std::vector<Scan> small = {ScanWith(Table({1, 2, 3, 4}))}, large = {ScanWith(Table({1, 2, 3, 4, 5, 6}))};
  for (const auto* scans : {&small, &large}) {
    at::Tensor entries = tables.Combine(*scans, kFloat).entries;
    const c10::weak_intrusive_ptr<c10::TensorImpl> copy(entries.getIntrusivePtr());
    entries.reset();
    tables.Trim();
    EXPECT_EQ(copy.expired(), scans == &large);
  }
  EXPECT_EQ(tables.Combine(large, kFloat).entries.size(0), 3);
}

}  // namespace
}  // namespace ablate
