// What can be known of fan_out's arguments before it runs. Free of CUDA and of status types: a message, empty where all
// is well.
#pragma once

#include <cstdint>
#include <string>

#include "kernels/fan_out.h"

namespace ablate::kernels {

// Checks sizes, null pointers and overlap without reading through any pointer, so it holds for device memory too. Every
// implementation (reference, CPU, CUDA) has this as its precondition. The message names the argument, what came and
// what was expected. float and double.
template <typename T>
std::string CheckFanOut(const FanOutArgs<T>& args);

// Sizes that the arguments leave implicit.
struct FanOutExtents {
  int64_t n_tokens_in = 0;  // N
  int64_t n_rows = 0;       // R
  int64_t n_edits = 0;
  int64_t n_entries = 0;  // E
};

// Checks every index of the tables against `extents` and n_heads: source_token, row, row_edit_begin and edits, with the
// entries and other sources that the covered positions reach. Reads the tables, so they must lie in host memory: for
// the side that builds them, before they are copied to a device. Looks at no other pointer. float and double.
template <typename T>
std::string CheckFanOutIndices(const FanOutArgs<T>& args, const FanOutExtents& extents);

// The same, and CheckFanOut, and that there is a table where an edit has an entry.
template <typename T>
std::string CheckFanOutTables(const FanOutArgs<T>& args, const FanOutExtents& extents);

}  // namespace ablate::kernels
