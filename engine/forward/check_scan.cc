#include "engine/forward/check_scan.h"

#include <algorithm>
#include <cstdint>

#include "absl/strings/str_cat.h"
#include "engine/plan/check.h"
#include "engine/scan_plan.h"

namespace ablate {
namespace {

absl::Status OutOfRange(absl::string_view field, int64_t value, int64_t begin, int64_t end) {
  return absl::InvalidArgumentError(absl::StrCat(field, ": got ", value, ", expected ", begin, " .. ", end - 1));
}

absl::Status CheckIds(absl::string_view field, const std::vector<int32_t>& ids, const GptConfig& config) {
  for (const int32_t id : ids) {
    if (id < 0 || id >= config.vocab_size) return OutOfRange(field, id, 0, config.vocab_size);
  }
  return absl::OkStatus();
}

absl::Status CheckTokens(const Scan& scan, const GptConfig& config) {
  const auto n_tokens = static_cast<int64_t>(scan.token_ids.size());
  if (n_tokens < 1) return absl::InvalidArgumentError("token_ids: the prompt is empty, expected at least one token");
  if (n_tokens > config.n_positions) {
    return absl::InvalidArgumentError(
        absl::StrCat("token_ids: the prompt has ", n_tokens, " tokens, this model takes at most ", config.n_positions));
  }
  if (!scan.donor_token_ids.empty() && scan.donor_token_ids.size() != scan.token_ids.size()) {
    return absl::InvalidArgumentError(absl::StrCat("donor_token_ids: got ", scan.donor_token_ids.size(),
                                                   " tokens, expected as many as the prompt's ", n_tokens));
  }
  if (absl::Status status = CheckIds("token_ids", scan.token_ids, config); !status.ok()) return status;
  return CheckIds("donor_token_ids", scan.donor_token_ids, config);
}

absl::Status CheckAnswers(const Scan& scan, const GptConfig& config) {
  const size_t n = scan.answers.size();
  if (n > 1 && n != scan.read_positions.size()) {
    return absl::InvalidArgumentError(absl::StrCat("answers: got ", n, ", expected none, one, or one for each of the ",
                                                   scan.read_positions.size(), " read positions"));
  }
  for (const Answers& answers : scan.answers) {
    const Answers& first = scan.answers.front();
    if (answers.targets.empty() != first.targets.empty() || answers.contrasts.empty() != first.contrasts.empty()) {
      return absl::InvalidArgumentError("answers: some read positions have targets or contrasts and others none");
    }
    if (absl::Status status = CheckIds("answers.targets", answers.targets, config); !status.ok()) return status;
    if (absl::Status status = CheckIds("answers.contrasts", answers.contrasts, config); !status.ok()) return status;
  }
  if (!scan.effects && !scan.compensation) return absl::OkStatus();
  if (!scan.effects) return absl::InvalidArgumentError("compensation: set, expected with `effects` only");
  if (n == 0 || scan.answers[0].targets.empty() || scan.answers[0].contrasts.empty()) {
    return absl::InvalidArgumentError("effects: the answers lack targets or contrasts, expected both");
  }
  if (scan.reduction != Reduction::kMeanLogit) {
    return absl::InvalidArgumentError("effects: the reduction is not linear, expected kMeanLogit");
  }
  return absl::OkStatus();
}

absl::Status CheckEntry(const Edit& edit, const Scan& scan, const GptConfig& config) {
  if (edit.site.head >= config.n_heads) return OutOfRange("site.head", edit.site.head, 0, config.n_heads);
  if (edit.entry < 0) return absl::OkStatus();
  if (scan.table == nullptr) return absl::InvalidArgumentError("entry: the scan has no table");
  const auto last_position = std::min<int64_t>(edit.positions.end, scan.token_ids.size()) - 1;
  const int64_t last = edit.entry + edit.entry_stride * last_position;
  return last < scan.table->n_entries() ? absl::OkStatus() : OutOfRange("entry", last, 0, scan.table->n_entries());
}

}  // namespace

absl::Status CheckScan(const Scan& scan, const GptConfig& config) {
  if (absl::Status status = CheckTokens(scan, config); !status.ok()) return status;
  const int32_t most_k = std::min(kMaxTopK, config.vocab_size);
  if (scan.top_k < 0 || scan.top_k > most_k) return OutOfRange("top_k", scan.top_k, 0, most_k + 1);
  if (absl::Status status = CheckPrompt(AsPlanPrompt(scan), config.n_layers); !status.ok()) return status;
  if (absl::Status status = CheckAnswers(scan, config); !status.ok()) return status;
  if (scan.table != nullptr && scan.table->d_head != config.d_head) {
    return OutOfRange("table.d_head", scan.table->d_head, config.d_head, config.d_head + 1);
  }
  if (scan.on_head_outputs && scan.read_positions.back() + 1 != static_cast<int32_t>(scan.token_ids.size())) {
    return absl::InvalidArgumentError(
        "on_head_outputs: the last position is not read, and what is behind is not computed");
  }
  for (const Variant& variant : scan.variants) {
    for (const Edit& edit : variant.edits) {
      if (absl::Status status = CheckEntry(edit, scan, config); !status.ok()) return status;
    }
  }
  return absl::OkStatus();
}

}  // namespace ablate
