// --replace and what belongs to it, and where edits apply.
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "client/cpp/cli/option_error.h"
#include "client/cpp/cli/positions.h"
#include "client/cpp/cli/prompts_file.h"
#include "client/cpp/cli/scan_request.h"

namespace ablate::cli {
namespace {

using Replacements = google::protobuf::RepeatedPtrField<ablation::v1::Replacement>;

constexpr char kVectorForm[] = "expected a list of numbers in JSON, or one number a line";

// A JSON list, or one number a line.
absl::Status ReadVector(const std::string& path, ablation::v1::Vector* vector) {
  const auto text = ReadTextFile("--value-file", path);
  if (!text.ok()) return text.status();
  const auto add = [&](double value, const std::string& where) {
    if (!std::isfinite(static_cast<float>(value))) {
      return OptionError("--value-file ", path, ", ", where, ": ", value, " is not a finite number");
    }
    vector->add_values(static_cast<float>(value));
    return absl::OkStatus();
  };
  const absl::string_view trimmed = absl::StripAsciiWhitespace(*text);
  if (!trimmed.empty() && trimmed.front() == '[') {
    const auto list = nlohmann::json::parse(trimmed.begin(), trimmed.end(), nullptr, /*allow_exceptions=*/false);
    if (list.is_discarded()) return OptionError("--value-file ", path, ": not valid JSON; ", kVectorForm);
    for (size_t i = 0; i < list.size(); ++i) {
      const std::string where = absl::StrCat("element ", i);
      if (!list[i].is_number()) {
        return OptionError("--value-file ", path, ", ", where, ": ", list[i].dump(), " is not a number");
      }
      if (auto status = add(list[i].get<double>(), where); !status.ok()) return status;
    }
  } else {
    int number = 0;
    for (absl::string_view line : absl::StrSplit(*text, '\n')) {
      ++number;
      line = absl::StripAsciiWhitespace(line);
      if (line.empty()) continue;
      double value = 0;
      const std::string where = absl::StrCat("line ", number);
      if (!absl::SimpleAtod(line, &value)) {
        return OptionError("--value-file ", path, ", ", where, ": `", line, "` is not a number; ", kVectorForm);
      }
      if (auto status = add(value, where); !status.ok()) return status;
    }
  }
  if (vector->values().empty()) return OptionError("--value-file ", path, " holds no number; ", kVectorForm);
  return absl::OkStatus();
}

absl::Status AddConstants(const ReplacementOptions& options, Replacements* replacements) {
  if (options.values.empty() && options.value_file.empty()) {
    return OptionError("--replace constant needs --value X (for every element) or --value-file FILE (a vector)");
  }
  for (const float value : options.values) {
    if (!std::isfinite(value)) return OptionError("--value ", value, ": expected a finite number");
    replacements->Add()->mutable_constant()->set_scalar(value);
  }
  if (options.value_file.empty()) return absl::OkStatus();
  return ReadVector(options.value_file, replacements->Add()->mutable_constant()->mutable_vector());
}

absl::Status AddScales(const ReplacementOptions& options, Replacements* replacements) {
  if (options.factors.empty()) return OptionError("--replace scale needs --factor X, such as --factor 0.5");
  for (const float factor : options.factors) {
    if (!std::isfinite(factor)) return OptionError("--factor ", factor, ": expected a finite number");
    replacements->Add()->mutable_scale()->set_factor(factor);
  }
  return absl::OkStatus();
}

absl::Status AddResamples(const ReplacementOptions& options, Replacements* replacements) {
  if (options.directions.empty()) {
    return OptionError(
        "--replace resample needs --direction noising (the clean run, values of the corrupted run put in) or "
        "--direction denoising (the other way round)");
  }
  for (const std::string& direction : options.directions) {
    if (direction != "noising" && direction != "denoising") {
      return OptionError("--direction `", direction, "`: expected noising or denoising");
    }
    replacements->Add()->mutable_resample()->set_direction(direction == "noising" ? ablation::v1::DIRECTION_NOISING
                                                                                  : ablation::v1::DIRECTION_DENOISING);
  }
  return absl::OkStatus();
}

absl::Status AddReplacement(const std::string& kind, const ReplacementOptions& options, Replacements* replacements) {
  if (kind == "zero") {
    replacements->Add()->mutable_zero();
  } else if (kind == "zero-keep-value-bias" || kind == "zero_keep_value_bias") {
    replacements->Add()->mutable_zero_keep_value_bias();
  } else if (kind == "mean") {
    if (options.means.empty()) {
      return OptionError(
          "--replace mean needs --means ID, a mean library of the server: `ablate means` lists and computes them");
    }
    for (const std::string& id : options.means) replacements->Add()->mutable_mean()->set_library(id);
  } else if (kind == "constant") {
    return AddConstants(options, replacements);
  } else if (kind == "scale") {
    return AddScales(options, replacements);
  } else if (kind == "resample") {
    return AddResamples(options, replacements);
  } else {
    return OptionError("--replace `", kind,
                       "`: expected zero, zero-keep-value-bias, mean, constant, scale or resample");
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status SetReplacements(const ReplacementOptions& options, ablation::v1::AblateRequest* request) {
  const auto& kinds = options.replace;
  const auto has = [&](const char* kind) { return std::find(kinds.begin(), kinds.end(), kind) != kinds.end(); };
  auto status = CheckDependents({
      {!options.values.empty(), "--value", has("constant"), "--replace constant"},
      {!options.value_file.empty(), "--value-file", has("constant"), "--replace constant"},
      {!options.factors.empty(), "--factor", has("scale"), "--replace scale"},
      {!options.directions.empty(), "--direction", has("resample"), "--replace resample"},
      {!options.means.empty(), "--means", has("mean"), "--replace mean"},
  });
  if (!status.ok()) return status;
  for (size_t i = 0; i < kinds.size(); ++i) {
    if (std::find(kinds.begin(), kinds.begin() + static_cast<std::ptrdiff_t>(i), kinds[i]) !=
        kinds.begin() + static_cast<std::ptrdiff_t>(i)) {
      return OptionError("--replace ", kinds[i], " is given twice; name each once (several --value or --factor make ",
                         "several replacements)");
    }
    status = AddReplacement(kinds[i], options, request->mutable_replacements());
    if (!status.ok()) return status;
  }
  if (kinds.empty()) request->add_replacements()->mutable_zero();
  if (!options.positions.empty()) {
    auto positions = ParsePositions("--positions", options.positions);
    if (!positions.ok()) return positions.status();
    if (*positions) *request->mutable_edit_positions()->mutable_positions() = **positions;
  }
  if (options.each_position) request->mutable_edit_positions()->set_each(true);
  return absl::OkStatus();
}

}  // namespace ablate::cli
