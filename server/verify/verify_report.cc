#include "server/verify/verify_report.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "absl/strings/str_format.h"

namespace ablate {
namespace {

using Json = nlohmann::json;

std::string Error(double value) {
  return value == 0 ? "0" : absl::StrFormat("%.1e", value);
}

// `columns` times `lengths` floors, and what the whole row says.
std::string ErrorTable(const VerifyReport& report) {
  std::string text = absl::StrFormat("%-24s", "column");
  for (const LengthReport& length : report.lengths) {
    absl::StrAppendFormat(&text, "%10s", absl::StrFormat("%d tok", length.n_tokens));
  }
  absl::StrAppendFormat(&text, "   %9s%10s%9s\n", "median", "worst", "values");
  for (auto first = report.errors.begin(); first != report.errors.end();) {
    const auto last =
        std::find_if(first, report.errors.end(), [&](const ColumnError& e) { return e.column != first->column; });
    ErrorStats all;
    absl::StrAppendFormat(&text, "%-24s", first->column);
    for (auto error = first; error != last; ++error) {
      absl::StrAppendFormat(&text, "%10s", error->stats.n_values == 0 ? "-" : Error(error->stats.floor));
      all.n_values += error->stats.n_values;
      all.median = std::max(all.median, error->stats.median);
      all.worst = std::max(all.worst, error->stats.worst);
    }
    absl::StrAppendFormat(&text, "   %9s%10s%9d\n", Error(all.median), Error(all.worst), all.n_values);
    first = last;
  }
  return text;
}

std::string LengthTable(const VerifyReport& report) {
  std::string text = absl::StrFormat("%6s%9s%7s%20s%18s%14s%12s%12s%8s\n", "tokens", "prompts", "heads",
                                     "Spearman mean/worst", "top mean/worst", "top-1 kept", "time", "float64", "ratio");
  for (const LengthReport& length : report.lengths) {
    absl::StrAppendFormat(&text, "%6d%9d%7d%20s%18s%14s%12s%12s%8s\n", length.n_tokens, length.n_prompts,
                          length.n_heads, absl::StrFormat("%.6f/%.6f", length.spearman_mean, length.spearman_worst),
                          absl::StrFormat("%.2f/%d of %d", length.overlap_mean, length.overlap_worst, length.top),
                          absl::StrFormat("%d/%d", length.n_top1_equal, length.n_rows),
                          absl::StrFormat("%.2f s", length.seconds),
                          absl::StrFormat("%.2f s", length.reference_seconds),
                          absl::StrFormat("%.2f", length.seconds / length.reference_seconds));
  }
  return text;
}

}  // namespace

std::string VerifyTable(const VerifyReport& report) {
  const EngineInfo& info = report.info;
  return absl::StrFormat(
      "%d layers x %d heads in %s on %s (%s), against float64 on the CPU\n\n"
      "Absolute error: its 99.9th percentile by prompt length, and of all lengths the largest median and the "
      "worst\n%s\n"
      "Order of the zeroed heads by delta_logit_diff, most probable tokens, and time\n%s",
      info.n_layers, info.n_heads, Name(info.precision), info.device, info.device_name, ErrorTable(report),
      LengthTable(report));
}

std::string VerifyJson(const VerifyReport& report, std::string_view engine_version) {
  const EngineInfo& info = report.info;
  Json root = {{"model",
                {{"n_layers", info.n_layers},
                 {"n_heads", info.n_heads},
                 {"d_model", info.d_model},
                 {"n_parameters", info.n_parameters},
                 {"weights_sha256", info.weights_sha256}}},
               {"runtime",
                {{"engine_version", engine_version},
                 {"torch_version", info.torch_version},
                 {"device", info.device},
                 {"device_name", info.device_name},
                 {"precision", Name(info.precision)},
                 {"threads", info.threads}}}};
  Json& errors = root["errors"] = Json::array();
  for (const ColumnError& error : report.errors) {
    errors.push_back({{"column", error.column},
                      {"n_tokens", error.n_tokens},
                      {"n_values", error.stats.n_values},
                      {"median", error.stats.median},
                      {"floor", error.stats.floor},
                      {"worst", error.stats.worst}});
  }
  Json& lengths = root["lengths"] = Json::array();
  for (const LengthReport& length : report.lengths) {
    // A NaN (no head does anything) becomes null.
    lengths.push_back({{"n_tokens", length.n_tokens},
                       {"n_prompts", length.n_prompts},
                       {"n_rows", length.n_rows},
                       {"n_top1_equal", length.n_top1_equal},
                       {"n_rankings", length.n_rankings},
                       {"n_heads", length.n_heads},
                       {"spearman_mean", length.spearman_mean},
                       {"spearman_worst", length.spearman_worst},
                       {"top", length.top},
                       {"overlap_mean", length.overlap_mean},
                       {"overlap_worst", length.overlap_worst},
                       {"seconds", length.seconds},
                       {"reference_seconds", length.reference_seconds}});
  }
  return root.dump(1, ' ', false, Json::error_handler_t::replace) + '\n';
}

}  // namespace ablate
