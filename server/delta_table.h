// The primary metric's deltas of a whole request, for its summary.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/types/span.h"
#include "server/prepare.h"
#include "server/wire_rows.h"

namespace ablate {

// Most values that one request's summary may take, 9 bytes each, and those of all requests. An entry takes as many as
// there are prompts, and some 300 bytes for its figures and their message.
inline constexpr int64_t kFigureValues = 32;
inline constexpr int64_t kMaxDeltaValues = 50'000'000;
inline constexpr int64_t kMaxDeltaValuesTogether = 4 * kMaxDeltaValues;

// Not thread-safe. Prompts have equally many read positions, and edit positions where these are swept over.
class DeltaTable {
 public:
  // One column of the table, for all prompts.
  struct Entry {
    int32_t replacement = 0;
    int32_t variant = 0;
    // Indices into the prompt's `edit_positions` (0 where they are not swept over) and `read_positions`.
    size_t edit = 0;
    size_t read = 0;
  };

  explicit DeltaTable(std::shared_ptr<const PreparedRequest> prepared);
  // How many values a request's summary takes: (prompts + kFigureValues) x entries.
  static int64_t ValuesOf(const PreparedRequest& prepared);
  static int64_t EntriesOf(const PreparedRequest& prepared);

  // Takes the rows of one prompt that have come.
  void Take(int32_t prompt, const WireRows& rows);

  size_t n_prompts() const { return prepared_->prompts.size(); }
  size_t n_entries() const { return n_entries_; }
  // Replacement by replacement; of one, variant by variant, then by edit and by read position.
  Entry EntryAt(size_t entry) const;
  size_t IndexOf(const Entry& entry) const;

  size_t n_reads() const { return n_reads_; }

  // [P, entries]; NaN where no row has come.
  absl::Span<const double> deltas() const { return delta_; }
  // [P, entries]: whether the row kept its unedited run's top-1 token.
  absl::Span<const uint8_t> top1() const { return keeps_top1_; }
  // The metric of the clean run minus that of the corrupted one; NaN where there is no pair.
  double clean_minus_corrupted(size_t prompt, size_t read) const {
    return clean_[prompt * n_reads_ + read] - corrupted_[prompt * n_reads_ + read];
  }
  const PreparedRequest& prepared() const { return *prepared_; }

 private:
  const std::shared_ptr<const PreparedRequest> prepared_;
  const size_t n_edits_, n_reads_, n_entries_;
  // [P, entries]
  std::vector<double> delta_;
  std::vector<uint8_t> keeps_top1_;
  // [P, reads]
  std::vector<double> clean_, corrupted_;
};

}  // namespace ablate
