// Puts a stream's rows, which come in any order, into the order in which people read them.
#pragma once

#include <functional>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "client/cpp/cli/block_rows.h"

namespace ablate::cli {

// Hands out one prompt after the other, in the request's order, each as soon as it and all before it are whole: the
// same scan gives the same file, however the server cut it. Memory is held only for prompts that are begun and not
// handed out.
class RowOrder {
 public:
  // `rows`: the baseline first, then the manifest's variants in its order.
  using Sink = std::function<absl::Status(int prompt, absl::Span<const Row> rows)>;

  RowOrder(int n_prompts, int n_variants, Sink sink);
  // `block` has passed the client library's StreamCheck: its indices are in range and no row comes twice.
  absl::Status Take(const std::shared_ptr<const Block>& block);

 private:
  struct Pending {
    std::vector<Row> rows;  // [1 + n_variants], empty until the first row comes
    int arrived = 0;
  };
  const int rows_a_prompt_;
  const Sink sink_;
  std::vector<Pending> pending_;  // [n_prompts]
  size_t next_ = 0;
};

}  // namespace ablate::cli
