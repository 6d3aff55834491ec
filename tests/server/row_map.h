// The rows of a scan, to be looked up one by one.
#pragma once

#include <compare>
#include <map>
#include <string>

#include "tests/server/scan_call.h"

namespace ablate {

// What identifies a row. `replacement` is 0 where the column is absent, and -1 in unedited runs; `edit_position` is -1
// where it is absent.
struct RowKey {
  int prompt = 0;
  int replacement = 0;
  int variant = 0;
  int edit_position = -1;
  int position = 0;
  auto operator<=>(const RowKey&) const = default;
};

RowKey CleanRow(int prompt, int position);
RowKey CorruptedRow(int prompt, int position);

// A row's columns by name, numbers and flags alike; without those of several entries a row.
using RowColumns = std::map<std::string, double>;

// All rows. A test failure where a row comes twice, or a message's columns differ in length.
std::map<RowKey, RowColumns> RowsOf(const ScanResult& result);

}  // namespace ablate
