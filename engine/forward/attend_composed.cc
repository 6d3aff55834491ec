#include "engine/forward/attend_composed.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>

#include <algorithm>

#include "engine/forward/cuda_launch.h"

namespace ablate {
namespace {

// How many of the first rows make a group.
size_t CountGroup(absl::Span<const Row> rows) {
  int64_t longest = 0;
  for (size_t r = 0; r < rows.size(); ++r) {
    longest = std::max<int64_t>(longest, rows[r].end);
    if (r > 0 && longest * static_cast<int64_t>(r + 1) > kAttendGroupTokens) return r;
  }
  return rows.size();
}

// Where a group's tokens are; all indices are on the device, made there from a few numbers a row, since a long row has
// many tokens and each layer asks anew.
struct GroupIndex {
  at::Tensor gather;  // [R * Tmax]: the packed token of (row, position)
  at::Tensor slots;   // [tokens]: (row, position) of each of the rows' own tokens
  at::Tensor tokens;  // [tokens]: their packed places, in the same order
};

GroupIndex IndexOf(absl::Span<const Row> rows, absl::Span<const Row> group, int64_t longest, c10::Device device) {
  const auto n_rows = static_cast<int64_t>(group.size());
  const at::Tensor numbers = at::empty({4, n_rows}, at::kLong);
  auto at = numbers.accessor<int64_t, 2>();
  int64_t n_tokens = 0;
  for (int64_t r = 0; r < n_rows; ++r) {
    const Row& row = group[static_cast<size_t>(r)];
    at[0][r] = row.begin;
    at[1][r] = row.end;
    at[2][r] = row.first_token;
    at[3][r] = row.begin > 0 ? rows[static_cast<size_t>(row.baseline)].first_token : row.first_token;
    n_tokens += row.end - row.begin;
  }
  const at::Tensor on_device = ToDevice(numbers, device);
  const at::Tensor begin = on_device[0], end = on_device[1], first = on_device[2], baseline_first = on_device[3];
  const at::TensorOptions index = on_device.options();
  // Padding is the row's own last token, so that no other prompt's values can reach it, not even times zero.
  const at::Tensor position = at::minimum(at::arange(longest, index).unsqueeze(0), end.unsqueeze(1) - 1);
  const at::Tensor own = position - begin.unsqueeze(1) + first.unsqueeze(1);
  const at::Tensor baseline = position + baseline_first.unsqueeze(1);
  const at::Tensor row_of = at::repeat_interleave(at::arange(n_rows, index), end - begin, 0, n_tokens);
  const at::Tensor before = (end - begin).cumsum(0) - (end - begin);  // tokens of the rows in front
  const at::Tensor own_place = at::arange(n_tokens, index) - before.index_select(0, row_of);
  return {at::where(position < begin.unsqueeze(1), baseline, own).flatten(),
          row_of * longest + begin.index_select(0, row_of) + own_place, first.index_select(0, row_of) + own_place};
}

// Rows `group` of `rows`, padded to the longest, [R, H, Tmax, Dh]: each row's keys are its prompt's positions from 0
// on, so the plain causal mask is right for every row, and padding lies behind all queries that count.
// The bias of q is added to the queries, that of v to the result (kernels/attend.h).
void AttendGroup(const at::Tensor& qkv, const at::Tensor& bias, absl::Span<const Row> rows, absl::Span<const Row> group,
                 Operand operand, at::Tensor& z) {
  int64_t longest = 0;
  for (const Row& row : group) longest = std::max<int64_t>(longest, row.end);
  const auto n_rows = static_cast<int64_t>(group.size());
  const int64_t h = qkv.size(2);
  const int64_t dh = qkv.size(3);
  const GroupIndex index = IndexOf(rows, group, longest, qkv.device());
  at::Tensor padded = qkv.index_select(0, index.gather)  // [R * Tmax, 3, H, Dh]
                          .view({n_rows, longest, 3, h, dh})
                          .permute({2, 0, 3, 1, 4});  // [3, R, H, Tmax, Dh]
  const at::Tensor parts = bias.view({3, h, 1, dh});
  padded[0].add_(parts[0]);
  if (operand == Operand::kBf16) padded = padded.to(at::kBFloat16);
  const at::Tensor out = at::scaled_dot_product_attention(padded[0], padded[1], padded[2], {}, 0.0, /*is_causal=*/true)
                             .transpose(1, 2)
                             .reshape({n_rows * longest, h, dh});
  z.index_copy_(0, index.tokens, out.index_select(0, index.slots).to(z.scalar_type()) + bias.view({3, h, dh})[2]);
}

}  // namespace

void AttendComposed(const at::Tensor& qkv, const at::Tensor& bias, absl::Span<const Row> rows,
                    absl::Span<const Row> wanted, Operand operand, at::Tensor& z) {
  while (!wanted.empty()) {
    const size_t count = CountGroup(wanted);
    AttendGroup(qkv, bias, rows, wanted.subspan(0, count), operand, z);
    wanted.remove_prefix(count);
  }
}

}  // namespace ablate
