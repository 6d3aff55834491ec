#include "kernels/fan_out_check.h"

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>

#include "kernels/check_message.h"

namespace ablate::kernels {
namespace {

constexpr int64_t kMaxTokens = int64_t{1} << 31;
// Keeps [M, D] in bytes within int64 and a token's element index within int32.
constexpr int64_t kMaxModelSize = int64_t{1} << 24;

std::string Wrong(const std::string& argument, const std::string& came, const std::string& expected) {
  return WrongArgument("fan_out", argument, came, expected);
}

std::string OutOfRange(const std::string& argument, int64_t came, int64_t begin, int64_t end) {
  return Wrong(argument, std::to_string(came), "in [" + std::to_string(begin) + ", " + std::to_string(end) + ")");
}

std::string Indexed(const char* argument, int64_t index, const char* field = "") {
  return std::string(argument) + "[" + std::to_string(index) + "]" + field;
}

// Whether [a, a + bytes) and [b, b + bytes) share a byte.
bool Overlap(const void* a, const void* b, int64_t bytes) {
  const auto first = reinterpret_cast<uintptr_t>(a), second = reinterpret_cast<uintptr_t>(b);
  const uintptr_t distance = first < second ? second - first : first - second;
  return distance < static_cast<uintptr_t>(bytes);
}

template <typename T>
std::string CheckMemory(const FanOutArgs<T>& args) {
  std::string problem = CheckPointers("fan_out",
                                      {{"x", args.x, alignof(T)},
                                       {"z", args.z, alignof(T)},
                                       {"bias", args.bias, alignof(T)},
                                       {"table", args.table, alignof(T), /*may_be_null=*/true},
                                       {"source_token", args.source_token, alignof(int32_t)},
                                       {"position", args.position, alignof(int32_t)},
                                       {"row", args.row, alignof(int32_t)},
                                       {"row_edit_begin", args.row_edit_begin, alignof(int32_t)},
                                       {"edits", args.edits, alignof(HeadEdit), /*may_be_null=*/true},
                                       {"x_out", args.x_out, alignof(T)},
                                       {"z_out", args.z_out, alignof(T)}},
                                      "n_tokens_out is " + std::to_string(args.n_tokens_out));
  if (!problem.empty()) return problem;
  const int64_t bytes = args.n_tokens_out * args.n_heads * args.d_head * static_cast<int64_t>(sizeof(T));
  if (Overlap(args.x_out, args.z_out, bytes)) return Wrong("z_out", "overlapping x_out", "memory of its own");
  // N is not known here, so only the first element of what is read can be told apart; the rest is the caller's.
  if (args.x_out == args.x || args.x_out == args.z) return Wrong("x_out", "an input", "memory of its own");
  if (args.z_out == args.x || args.z_out == args.z) return Wrong("z_out", "an input", "memory of its own");
  return "";
}

template <typename T>
std::string CheckEdit(const FanOutArgs<T>& args, const FanOutExtents& extents, int64_t e) {
  const HeadEdit& edit = args.edits[e];
  if (edit.head < 0 || edit.head >= args.n_heads)
    return OutOfRange(Indexed("edits", e, ".head"), edit.head, 0, args.n_heads);
  if (edit.first_position < 0 || edit.end_position <= edit.first_position) {
    return Wrong(
        Indexed("edits", e),
        "at positions [" + std::to_string(edit.first_position) + ", " + std::to_string(edit.end_position) + ")",
        "0 <= first_position < end_position");
  }
  if (!std::isfinite(edit.scale))
    return Wrong(Indexed("edits", e, ".scale"), std::to_string(edit.scale), "a finite number");
  if (edit.entry < -1) return OutOfRange(Indexed("edits", e, ".entry"), edit.entry, -1, extents.n_entries);
  if (edit.entry_stride != 0 && edit.entry_stride != 1) {
    return Wrong(Indexed("edits", e, ".entry_stride"), std::to_string(edit.entry_stride), "0 or 1");
  }
  if (edit.source_first < -1)
    return OutOfRange(Indexed("edits", e, ".source_first"), edit.source_first, -1, extents.n_tokens_in);
  return "";
}

// What the edits of token m's row reach from its position.
template <typename T>
std::string CheckReach(const FanOutArgs<T>& args, const FanOutExtents& extents, int64_t m) {
  const int64_t position = args.position[m];
  for (int32_t e = args.row_edit_begin[args.row[m]]; e < args.row_edit_begin[args.row[m] + 1]; ++e) {
    const HeadEdit& edit = args.edits[e];
    if (position < edit.first_position || position >= edit.end_position) continue;
    const int64_t entry = edit.entry + edit.entry_stride * position;
    const auto at = [&] { return " at " + Indexed("position", m) + " " + std::to_string(position); };
    if (edit.entry >= 0 && entry >= extents.n_entries) {
      return OutOfRange("the entry of " + Indexed("edits", e) + at(), entry, 0, extents.n_entries);
    }
    if (edit.source_first >= 0 && edit.source_first + position >= extents.n_tokens_in) {
      return OutOfRange("the source of " + Indexed("edits", e) + at(), edit.source_first + position, 0,
                        extents.n_tokens_in);
    }
  }
  return "";
}

// Whether all of a token's indices are in range: at every pass, so without a branch or a message for each.
template <typename T>
bool TokensAreInRange(const FanOutArgs<T>& args, const FanOutExtents& extents) {
  bool good = true;
  for (int64_t m = 0; m < args.n_tokens_out; ++m) {
    good &= args.source_token[m] >= 0 && args.source_token[m] < extents.n_tokens_in;
  }
  for (int64_t m = 0; m < args.n_tokens_out; ++m) good &= args.position[m] >= 0;
  for (int64_t m = 0; m < args.n_tokens_out; ++m) good &= args.row[m] >= 0 && args.row[m] < extents.n_rows;
  return good;
}

// The first that is not.
template <typename T>
std::string CheckTokens(const FanOutArgs<T>& args, const FanOutExtents& extents) {
  for (int64_t m = 0; m < args.n_tokens_out; ++m) {
    const int64_t source = args.source_token[m], position = args.position[m], row = args.row[m];
    if (source < 0 || source >= extents.n_tokens_in)
      return OutOfRange(Indexed("source_token", m), source, 0, extents.n_tokens_in);
    if (position < 0) return Wrong(Indexed("position", m), std::to_string(position), "at least 0");
    if (row < 0 || row >= extents.n_rows) return OutOfRange(Indexed("row", m), row, 0, extents.n_rows);
  }
  return "";
}

template <typename T>
std::string CheckRows(const FanOutArgs<T>& args, const FanOutExtents& extents) {
  for (int64_t r = 0; r <= extents.n_rows; ++r) {
    const int64_t begin = args.row_edit_begin[r], least = r == 0 ? 0 : args.row_edit_begin[r - 1];
    if (begin < least || begin > extents.n_edits)
      return OutOfRange(Indexed("row_edit_begin", r), begin, least, extents.n_edits + 1);
  }
  if (args.row_edit_begin[0] != 0) return Wrong("row_edit_begin[0]", std::to_string(args.row_edit_begin[0]), "0");
  if (args.row_edit_begin[extents.n_rows] != extents.n_edits) {
    return Wrong(Indexed("row_edit_begin", extents.n_rows), std::to_string(args.row_edit_begin[extents.n_rows]),
                 std::to_string(extents.n_edits) + ", the number of edits");
  }
  return "";
}

}  // namespace

template <typename T>
std::string CheckFanOut(const FanOutArgs<T>& args) {
  if (args.n_tokens_out < 0 || args.n_tokens_out > kMaxTokens)
    return OutOfRange("n_tokens_out", args.n_tokens_out, 0, kMaxTokens + 1);
  if (args.n_heads < 1) return Wrong("n_heads", std::to_string(args.n_heads), "at least 1");
  if (args.d_head < 1) return Wrong("d_head", std::to_string(args.d_head), "at least 1");
  const int64_t d_model = int64_t{args.n_heads} * args.d_head;
  if (d_model > kMaxModelSize)
    return Wrong("n_heads * d_head", std::to_string(d_model), "at most " + std::to_string(kMaxModelSize));
  return args.n_tokens_out == 0 ? "" : CheckMemory(args);
}

template <typename T>
std::string CheckFanOutIndices(const FanOutArgs<T>& args, const FanOutExtents& extents) {
  if (args.n_tokens_out == 0) return "";
  if (extents.n_rows < 1) return Wrong("n_rows", std::to_string(extents.n_rows), "at least 1");
  if (extents.n_edits > 0 && args.edits == nullptr)
    return Wrong("edits", "null", "a pointer, since n_edits is " + std::to_string(extents.n_edits));
  std::string wrong = CheckRows(args, extents);
  bool reaches = false;  // some edit reaches further than its token
  for (int64_t e = 0; wrong.empty() && e < extents.n_edits; ++e) {
    wrong = CheckEdit(args, extents, e);
    reaches |= args.edits[e].entry >= 0 || args.edits[e].source_first >= 0;
  }
  if (wrong.empty() && !TokensAreInRange(args, extents)) wrong = CheckTokens(args, extents);
  for (int64_t m = 0; reaches && wrong.empty() && m < args.n_tokens_out; ++m) wrong = CheckReach(args, extents, m);
  return wrong;
}

template <typename T>
std::string CheckFanOutTables(const FanOutArgs<T>& args, const FanOutExtents& extents) {
  std::string wrong = CheckFanOut(args);
  if (wrong.empty()) wrong = CheckFanOutIndices(args, extents);
  if (!wrong.empty() || args.n_tokens_out == 0 || args.table != nullptr) return wrong;
  for (int64_t e = 0; e < extents.n_edits; ++e) {
    if (args.edits[e].entry < 0) continue;
    return Wrong("table", "null", "a pointer, since " + Indexed("edits", e) + " has an entry");
  }
  return "";
}

template std::string CheckFanOut(const FanOutArgs<float>&);
template std::string CheckFanOut(const FanOutArgs<double>&);
template std::string CheckFanOutIndices(const FanOutArgs<float>&, const FanOutExtents&);
template std::string CheckFanOutIndices(const FanOutArgs<double>&, const FanOutExtents&);
template std::string CheckFanOutTables(const FanOutArgs<float>&, const FanOutExtents&);
template std::string CheckFanOutTables(const FanOutArgs<double>&, const FanOutExtents&);

}  // namespace ablate::kernels
