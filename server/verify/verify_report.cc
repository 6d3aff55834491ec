#include "server/verify/verify_report.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "server/verify/columns.h"

namespace ablate {
namespace {

using Json = nlohmann::json;

std::string Error(double value) {
  return value == 0 ? "0" : absl::StrFormat("%.1e", value);
}

// The errors of one column of a report, by rising length.
absl::Span<const ColumnError> ErrorsOf(const VerifyReport& report, absl::string_view column) {
  const auto is_its = [&](const ColumnError& error) { return error.column == column; };
  const auto first = std::find_if(report.errors.begin(), report.errors.end(), is_its);
  const auto last = std::find_if_not(first, report.errors.end(), is_its);
  return absl::MakeConstSpan(report.errors).subspan(first - report.errors.begin(), last - first);
}

// The largest median and the largest error of all lengths.
ErrorStats OverLengths(absl::Span<const ColumnError> errors) {
  ErrorStats all;
  for (const ColumnError& error : errors) {
    all.n_values += error.stats.n_values;
    all.median = std::max(all.median, error.stats.median);
    all.worst = std::max(all.worst, error.stats.worst);
  }
  return all;
}

// `columns` times `lengths` floors, and what the whole row says.
std::string FloorTable(const VerifyReport& report) {
  std::string text = absl::StrFormat(
      "Absolute error in %s: its 99.9th percentile by prompt length, and of all lengths the largest median and the "
      "worst\n%-24s",
      Name(report.info.precision), "column");
  for (const LengthReport& length : report.lengths) {
    absl::StrAppendFormat(&text, "%10s", absl::StrFormat("%d tok", length.n_tokens));
  }
  absl::StrAppendFormat(&text, "   %9s%10s%9s\n", "median", "worst", "values");
  for (const absl::string_view column : MeasuredColumns()) {
    const absl::Span<const ColumnError> errors = ErrorsOf(report, column);
    absl::StrAppendFormat(&text, "%-24s", column);
    for (const ColumnError& error : errors) {
      absl::StrAppendFormat(&text, "%10s", error.stats.n_values == 0 ? "-" : Error(error.stats.floor));
    }
    const ErrorStats all = OverLengths(errors);
    absl::StrAppendFormat(&text, "   %9s%10s%9d\n", Error(all.median), Error(all.worst), all.n_values);
  }
  return text;
}

// `columns` times `precisions`.
std::string PrecisionTable(absl::Span<const VerifyReport> reports) {
  std::string text = "Absolute error: of all prompt lengths the largest median, and the worst\n";
  absl::StrAppendFormat(&text, "%-24s", "");
  for (const VerifyReport& report : reports) absl::StrAppendFormat(&text, "   %19s", Name(report.info.precision));
  absl::StrAppendFormat(&text, "\n%-24s", "column");
  for (size_t i = 0; i < reports.size(); ++i) absl::StrAppendFormat(&text, "   %9s%10s", "median", "worst");
  absl::StrAppendFormat(&text, "%10s\n", "values");
  for (const absl::string_view column : MeasuredColumns()) {
    absl::StrAppendFormat(&text, "%-24s", column);
    for (const VerifyReport& report : reports) {
      const ErrorStats all = OverLengths(ErrorsOf(report, column));
      absl::StrAppendFormat(&text, "   %9s%10s", all.n_values == 0 ? "-" : Error(all.median),
                            all.n_values == 0 ? "-" : Error(all.worst));
    }
    absl::StrAppendFormat(&text, "%10d\n", OverLengths(ErrorsOf(reports.front(), column)).n_values);
  }
  return text;
}

std::string LengthTable(absl::Span<const VerifyReport> reports) {
  std::string text = absl::StrFormat("%-9s%8s%9s%7s%21s%16s%13s%9s%10s%7s\n", "precision", "tokens", "prompts", "heads",
                                     "Spearman mean/worst", "top mean/worst", "top-1 kept", "time", "float64", "ratio");
  for (const VerifyReport& report : reports) {
    for (const LengthReport& length : report.lengths) {
      absl::StrAppendFormat(
          &text, "%-9s%8d%9d%7d%21s%16s%13s%9s%10s%7s\n", Name(report.info.precision), length.n_tokens,
          length.n_prompts, length.n_heads, absl::StrFormat("%.6f/%.6f", length.spearman_mean, length.spearman_worst),
          absl::StrFormat("%.2f/%d of %d", length.overlap_mean, length.overlap_worst, length.top),
          absl::StrFormat("%d/%d", length.n_top1_equal, length.n_rows), absl::StrFormat("%.2f s", length.seconds),
          absl::StrFormat("%.2f s", length.reference_seconds),
          absl::StrFormat("%.2f", length.seconds / length.reference_seconds));
    }
  }
  return text;
}

Json RunJson(const VerifyReport& report, std::string_view engine_version) {
  const EngineInfo& info = report.info;
  Json run = {{"runtime",
               {{"engine_version", engine_version},
                {"torch_version", info.torch_version},
                {"device", info.device},
                {"device_name", info.device_name},
                {"precision", Name(info.precision)},
                {"threads", info.threads}}}};
  Json& errors = run["errors"] = Json::array();
  for (const ColumnError& error : report.errors) {
    errors.push_back({{"column", error.column},
                      {"n_tokens", error.n_tokens},
                      {"n_values", error.stats.n_values},
                      {"median", error.stats.median},
                      {"floor", error.stats.floor},
                      {"worst", error.stats.worst}});
  }
  Json& lengths = run["lengths"] = Json::array();
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
  return run;
}

}  // namespace

std::string VerifyTable(absl::Span<const VerifyReport> reports) {
  const EngineInfo& info = reports.front().info;
  return absl::StrFormat(
      "%d layers x %d heads on %s (%s), against float64 on the CPU\n\n%s\n"
      "Order of the zeroed heads by delta_logit_diff, most probable tokens, and time\n%s",
      info.n_layers, info.n_heads, info.device, info.device_name,
      reports.size() == 1 ? FloorTable(reports.front()) : PrecisionTable(reports), LengthTable(reports));
}

std::string VerifyJson(absl::Span<const VerifyReport> reports, std::string_view engine_version) {
  const EngineInfo& info = reports.front().info;
  Json root = {{"model",
                {{"n_layers", info.n_layers},
                 {"n_heads", info.n_heads},
                 {"d_model", info.d_model},
                 {"n_parameters", info.n_parameters},
                 {"weights_sha256", info.weights_sha256}}}};
  Json& runs = root["runs"] = Json::array();
  for (const VerifyReport& report : reports) runs.push_back(RunJson(report, engine_version));
  return root.dump(1, ' ', false, Json::error_handler_t::replace) + '\n';
}

}  // namespace ablate
