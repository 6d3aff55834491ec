// The means of every head's output over a data set, in memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "ablation/v1/means.pb.h"
#include "absl/status/status.h"

namespace ablate {

// Immutable once made.
struct MeanLibrary {
  // Id, options, hashes, counts; `templates` are the groups G in order (one empty name where they are not grouped) and
  // `n_positions` is P.
  ablation::v1::MeanLibrary info;
  int32_t n_layers = 0, n_heads = 0, d_head = 0;
  // [G, L, H, P, Dh]
  std::vector<double> mean;
  // [G, P]: tokens that went into a mean. One under info.options.min_count must not be used.
  std::vector<int64_t> count;
};

// What one library's arrays may take: GPT-2 XL's means at 1,024 positions have 630 MB.
inline constexpr int64_t kMaxMeanBytes = int64_t{1} << 30;
// What the names of its templates may take, so that the file's header stays under the reader's limit.
inline constexpr int64_t kMaxTemplateBytes = int64_t{1} << 20;
// What its whole description may take as a message, where the server did not make it; one made here takes less. Clients
// take answers of 4 MiB.
inline constexpr size_t kMaxInfoBytes = size_t{2} << 20;

// Bytes of `mean` and `count` of such a library; kMaxMeanBytes + 1 where they are more than kMaxMeanBytes. The
// arguments are not negative.
int64_t MeanBytes(int64_t n_groups, int64_t n_positions, int64_t n_layers, int64_t n_heads, int64_t d_head);

// Whether `info` makes sense by itself: options with their defaults filled in, groups and counts that go together, and
// the id that its hashes give. InvalidArgument names the field, what came and what was expected.
absl::Status CheckMeanInfo(const ablation::v1::MeanLibrary& info);

// The same of the whole library: CheckMeanInfo, arrays of the right size, finite means, counts that add up to
// info.n_tokens.
absl::Status CheckMeanLibrary(const MeanLibrary& library);

}  // namespace ablate
