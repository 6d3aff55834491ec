#include "server/means/mean_library.h"

#include <cmath>
#include <string>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "server/means/mean_id.h"

namespace ablate {
namespace {

namespace pb = ::ablation::v1;

absl::Status Error(absl::string_view field, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(field, ": ", what));
}

absl::Status CheckOptions(const pb::MeanOptions& options) {
  if (options.mode() != pb::MEAN_MODE_POSITIONWISE && options.mode() != pb::MEAN_MODE_POOLED) {
    return Error("options.mode", absl::StrCat("got ", static_cast<int>(options.mode()),
                                              ", expected MEAN_MODE_POSITIONWISE or MEAN_MODE_POOLED"));
  }
  if (options.source() != pb::MEAN_SOURCE_CLEAN && options.source() != pb::MEAN_SOURCE_CORRUPTED &&
      options.source() != pb::MEAN_SOURCE_BOTH) {
    return Error("options.source",
                 absl::StrCat("got ", static_cast<int>(options.source()),
                              ", expected MEAN_SOURCE_CLEAN, MEAN_SOURCE_CORRUPTED or MEAN_SOURCE_BOTH"));
  }
  if (options.min_count() < 1) {
    return Error("options.min_count", absl::StrCat("got ", options.min_count(), ", expected at least 1"));
  }
  return absl::OkStatus();
}

absl::Status CheckGroups(const pb::MeanLibrary& info) {
  if (!info.options().group_by_template()) {
    if (info.templates_size() == 1 && info.templates(0).empty()) return absl::OkStatus();
    return Error("templates", absl::StrCat("got ", info.templates_size(),
                                           " templates, expected one empty name where means are not grouped"));
  }
  if (info.templates().empty()) return Error("templates", "is empty, expected at least one");
  absl::flat_hash_set<std::string> seen;
  for (int i = 0; i < info.templates_size(); ++i) {
    if (info.templates(i).empty() || !seen.insert(info.templates(i)).second) {
      return Error(absl::StrCat("templates[", i, "]"), "is empty or named twice, expected each template once");
    }
  }
  return absl::OkStatus();
}

}  // namespace

int64_t MeanBytes(int64_t n_groups, int64_t n_positions, int64_t n_layers, int64_t n_heads, int64_t d_head) {
  constexpr int64_t kTooMany = kMaxMeanBytes + 1;
  int64_t cells = 0;
  int64_t values = 0;
  int64_t bytes = 0;
  const bool overflows =
      __builtin_mul_overflow(n_groups, n_positions, &cells) || __builtin_mul_overflow(cells, n_layers, &values) ||
      __builtin_mul_overflow(values, n_heads, &values) || __builtin_mul_overflow(values, d_head, &values) ||
      __builtin_add_overflow(values, cells, &values) || __builtin_mul_overflow(values, 8, &bytes);
  return overflows || bytes > kMaxMeanBytes ? kTooMany : bytes;
}

absl::Status CheckMeanInfo(const pb::MeanLibrary& info) {
  absl::Status status = CheckOptions(info.options());
  if (status.ok()) status = CheckGroups(info);
  if (!status.ok()) return status;
  const bool pooled = info.options().mode() == pb::MEAN_MODE_POOLED;
  if (info.n_positions() < 1 || (pooled && info.n_positions() != 1)) {
    return Error("n_positions", absl::StrCat("got ", info.n_positions(), ", expected ",
                                             pooled ? "1, since the means are pooled" : "at least 1"));
  }
  const auto id = MakeMeanLibraryId(info);
  if (!id.ok()) return id.status();
  if (*id != info.id()) {
    return Error("id", absl::StrCat("got `", info.id(), "`, expected `", *id,
                                    "`, which its weights_sha256, options and data_sha256 give"));
  }
  return absl::OkStatus();
}

absl::Status CheckMeanLibrary(const MeanLibrary& library) {
  const pb::MeanLibrary& info = library.info;
  absl::Status status = CheckMeanInfo(info);
  if (!status.ok()) return status;
  const auto cells = static_cast<int64_t>(info.templates_size()) * info.n_positions();
  const int64_t bytes =
      MeanBytes(info.templates_size(), info.n_positions(), library.n_layers, library.n_heads, library.d_head);
  const auto size = static_cast<int64_t>(library.mean.size() + library.count.size()) * 8;
  if (static_cast<int64_t>(library.count.size()) != cells || size != bytes) {
    return Error("mean",
                 absl::StrCat("the arrays have ", library.mean.size(), " and ", library.count.size(),
                              " elements, expected [", info.templates_size(), ", ", library.n_layers, ", ",
                              library.n_heads, ", ", info.n_positions(), ", ", library.d_head, "] and ", cells));
  }
  for (size_t i = 0; i < library.mean.size(); ++i) {
    if (!std::isfinite(library.mean[i])) {
      return Error("mean", absl::StrCat("element ", i, " is ", library.mean[i], ", expected a finite number"));
    }
  }
  int64_t tokens = 0;
  for (size_t i = 0; i < library.count.size(); ++i) {
    if (library.count[i] < 0 || library.count[i] > info.n_tokens() - tokens) {
      return Error("count", absl::StrCat("element ", i, " is ", library.count[i], ", expected 0 .. ",
                                         info.n_tokens() - tokens, ", what is left of n_tokens"));
    }
    tokens += library.count[i];
  }
  if (tokens != info.n_tokens()) {
    return Error("count", absl::StrCat("adds up to ", tokens, ", expected n_tokens, ", info.n_tokens()));
  }
  return absl::OkStatus();
}

}  // namespace ablate
