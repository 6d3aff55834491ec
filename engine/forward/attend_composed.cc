#include "engine/forward/attend_composed.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>

#include <algorithm>

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

// Rows `group` of `rows`, padded to the longest, [R, H, Tmax, Dh]: each row's keys are its prompt's positions from 0
// on, so the plain causal mask is right for every row, and padding lies behind all queries that count.
// The bias of q is added to the queries, that of v to the result (kernels/attend.h).
void AttendGroup(const at::Tensor& qkv, const at::Tensor& bias, absl::Span<const Row> rows, absl::Span<const Row> group,
                 at::Tensor& z) {
  int64_t longest = 0;
  int64_t n_tokens = 0;
  for (const Row& row : group) {
    longest = std::max<int64_t>(longest, row.end);
    n_tokens += row.end - row.begin;
  }
  const int64_t n_rows = static_cast<int64_t>(group.size());
  at::Tensor gather = at::empty({n_rows, longest}, at::kLong);  // packed token of (row, position)
  at::Tensor slots = at::empty({n_tokens}, at::kLong);          // (row, position) of each of the group's tokens
  at::Tensor tokens = at::empty({n_tokens}, at::kLong);         // their packed places, in the same order
  auto gather_at = gather.accessor<int64_t, 2>();
  auto slots_at = slots.accessor<int64_t, 1>();
  auto tokens_at = tokens.accessor<int64_t, 1>();
  int64_t next = 0;
  for (int64_t r = 0; r < n_rows; ++r) {
    const Row& row = group[r];
    for (int32_t p = 0; p < row.begin; ++p) gather_at[r][p] = rows[row.baseline].first_token + p;
    // Padding is the row's own last token, so that no other prompt's values can reach it, not even times zero.
    for (int64_t p = row.end; p < longest; ++p) gather_at[r][p] = row.first_token + row.end - 1 - row.begin;
    for (int32_t p = row.begin; p < row.end; ++p) {
      gather_at[r][p] = row.first_token + p - row.begin;
      tokens_at[next] = gather_at[r][p];
      slots_at[next++] = r * longest + p;
    }
  }
  const int64_t h = qkv.size(2);
  const int64_t dh = qkv.size(3);
  const at::Tensor padded = qkv.index_select(0, gather.flatten().to(qkv.device()))  // [R * Tmax, 3, H, Dh]
                                .view({n_rows, longest, 3, h, dh})
                                .permute({2, 0, 3, 1, 4});  // [3, R, H, Tmax, Dh]
  const at::Tensor parts = bias.view({3, h, 1, dh});
  const at::Tensor out =
      at::scaled_dot_product_attention(padded[0] + parts[0], padded[1], padded[2], {}, 0.0, /*is_causal=*/true)
          .transpose(1, 2)
          .reshape({n_rows * longest, h, dh});
  z.index_copy_(0, tokens.to(qkv.device()), out.index_select(0, slots.to(qkv.device())) + bias.view({3, h, dh})[2]);
}

}  // namespace

void AttendComposed(const at::Tensor& qkv, const at::Tensor& bias, absl::Span<const Row> rows,
                    absl::Span<const Row> wanted, at::Tensor& z) {
  while (!wanted.empty()) {
    const size_t count = CountGroup(wanted);
    AttendGroup(qkv, bias, rows, wanted.subspan(0, count), z);
    wanted.remove_prefix(count);
  }
}

}  // namespace ablate
