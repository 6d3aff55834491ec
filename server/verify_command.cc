#include "server/verify_command.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "server/engine_options.h"
#include "server/environment.h"
#include "server/verify/floor_file.h"
#include "server/verify/verify.h"
#include "server/verify/verify_report.h"

namespace ablate {
namespace {

struct VerifyOptions {
  // Its precision is each of `precisions` in turn.
  EngineOptions engine;
  // Empty: all that the device computes in.
  std::vector<Precision> precisions;
  // Empty: beside the model.
  std::string cache;
  bool no_cache = false;
  std::string format = "table";
};

// Adds --precision: one text, so that it takes the environment's place as every other option does. float64 is what the
// others are compared with, and no choice.
void AddPrecisions(CLI::App& app, std::vector<Precision>& precisions) {
  const auto parse = [&precisions](const std::string& text) {
    std::vector<Precision> named;
    for (const absl::string_view name : absl::StrSplit(text, ',')) {
      const auto precision = ParsePrecision(std::string(name));
      if (!precision.ok() || *precision == Precision::kFloat64) {
        throw CLI::ValidationError("--precision",
                                   absl::StrCat("got `", text,
                                                "`, expected float32, tf32 or bf16, or several with "
                                                "commas (ABLATE_PRECISION is read where it is not given)"));
      }
      named.push_back(*precision);
    }
    // Each once, and float32 in front, whose device the others' must be.
    for (const Precision precision : kPrecisions) {
      if (absl::c_linear_search(named, precision)) precisions.push_back(precision);
    }
  };
  app.add_option_function<std::string>(
      "--precision", parse, "float32, tf32, bf16, or several with commas; default: all that the device computes in");
}

// Returns the exit code where there is nothing to run.
std::optional<int> Parse(int argc, const char* const* argv, VerifyOptions& options, std::ostream& out,
                         std::ostream& err) {
  CLI::App app(
      "ablated verify: measures how far a model's results on a device are from float64.\n"
      "Runs a fixed set of edits on some prompts, in each precision, and prints each column's absolute error, how\n"
      "well the order of the heads is kept, and the time. The error's 99.9th percentile by prompt length, the\n"
      "numeric floor, is kept beside the model, and every manifest carries it.",
      "ablated verify");
  app.option_defaults()->always_capture_default();
  app.get_formatter()->column_width(34);
  AddModelOptions(app, options.engine);
  AddPrecisions(app, options.precisions);
  CLI::Option* cache = app.add_option("--cache", options.cache,
                                      "File to keep the floors in; default: numeric_floor.json in the model's folder. "
                                      "`ablated --numeric-floor FILE` reads another one");
  app.add_flag("--no-cache", options.no_cache, "Keep nothing")->excludes(cache);
  app.add_option("--format", options.format, "table (of one precision its floors too), or json (all figures)")
      ->check(CLI::IsMember({"table", "json"}));
  try {
    app.parse(WithEnvironment(app, argc, argv));
  } catch (const CLI::Success& success) {
    app.exit(success, out, err);
    return 0;
  } catch (const std::exception& error) {
    err << "ablated verify: " << error.what() << " (see ablated verify --help)\n";
    return 2;
  }
  return std::nullopt;
}

// Where the floors go, and what is in the way of it.
class FloorCache {
 public:
  explicit FloorCache(const VerifyOptions& options)
      : is_wanted_(!options.no_cache),
        is_explicit_(!options.cache.empty()),
        path_(is_explicit_ ? options.cache : DefaultFloorFile(options.engine.model_dir)) {}

  // Whether a file that is there may be replaced. An error only where the user named it.
  absl::Status Check(const FloorKey& key, std::ostream& err) {
    if (!is_wanted_) return absl::OkStatus();
    const absl::Status status = ReadFloors(path_, key).status();
    if (status.ok() || absl::IsNotFound(status)) return absl::OkStatus();
    return Report(status, err);
  }

  absl::Status Write(const FloorKey& key, const VerifyReport& report, std::ostream& err) {
    if (!is_wanted_) return absl::OkStatus();
    const absl::Status status = WriteFloors(path_, key, report.errors);
    if (!status.ok()) return Report(status, err);
    err << "ablated verify: the floors are kept in " << path_ << std::endl;
    return absl::OkStatus();
  }

 private:
  absl::Status Report(const absl::Status& status, std::ostream& err) {
    if (is_explicit_) return status;
    is_wanted_ = false;
    err << "ablated verify: the floors are not kept: " << status.message() << "; --cache FILE keeps them elsewhere"
        << std::endl;
    return absl::OkStatus();
  }

  bool is_wanted_;
  const bool is_explicit_;
  const std::string path_;
};

// What is to be measured on the device of `info`: all that it can, where nothing is named.
absl::StatusOr<std::vector<Precision>> ChoosePrecisions(const std::vector<Precision>& named, const EngineInfo& info) {
  std::vector<Precision> possible = info.precisions;
  std::erase(possible, Precision::kFloat64);
  for (const Precision precision : named) {
    if (absl::c_linear_search(possible, precision)) continue;
    const auto name = [](std::string* text, Precision one) { text->append(Name(one)); };
    return absl::InvalidArgumentError(absl::StrCat("--precision: got ", std::string(Name(precision)), ", but ",
                                                   info.device, " (", info.device_name, ") computes in ",
                                                   absl::StrJoin(possible, ", ", name)));
  }
  return named.empty() ? possible : named;
}

VerifyProgress ProgressTo(std::ostream& err, Precision precision) {
  return [precision, &err](int32_t index, int32_t n_prompts, int32_t n_tokens) {
    err << "ablated verify: " << Name(precision) << ": prompt " << index + 1 << " of " << n_prompts << ", " << n_tokens
        << " tokens" << std::endl;
  };
}

// Adds a report for each precision; where one fails, those before it stay.
absl::Status Measure(const VerifyOptions& options, const EngineLoader& load, std::vector<VerifyReport>& reports,
                     std::ostream& err) {
  err << "ablated verify: loading " << options.engine.model_dir << std::endl;
  EngineOptions exact = options.engine;
  exact.device = "cpu";
  exact.precision = Precision::kFloat64;
  auto oracle = load(exact);
  if (!oracle.ok()) return oracle.status();
  // Loaded before the long run, which is in vain if the device cannot be had.
  EngineOptions under_test = options.engine;
  under_test.precision = options.precisions.empty() ? Precision::kFloat32 : options.precisions.front();
  auto subject = load(under_test);
  if (!subject.ok()) return subject.status();
  const EngineInfo info = (*subject)->Describe();
  const auto precisions = ChoosePrecisions(options.precisions, info);
  if (!precisions.ok()) return precisions.status();
  FloorCache cache(options);
  const auto key_of = [&](Precision precision) {
    EngineInfo measured = info;
    measured.precision = precision;
    return MakeFloorKey(measured, ABLATE_VERSION);
  };
  if (absl::Status status = cache.Check(key_of(info.precision), err); !status.ok()) return status;

  const auto reference = RunReference(**oracle, ProgressTo(err, Precision::kFloat64));
  if (!reference.ok()) return reference.status();
  oracle->reset();
  absl::Status kept;
  for (const Precision precision : *precisions) {
    if (precision != info.precision) {
      // One at a time, and where `auto` has found its place.
      subject->reset();
      under_test.device = info.device;
      under_test.precision = precision;
      subject = load(under_test);
      if (!subject.ok()) return subject.status();
    }
    auto report = Verify(**subject, *reference, ProgressTo(err, precision));
    if (!report.ok()) return report.status();
    reports.push_back(*std::move(report));
    kept.Update(cache.Write(key_of(precision), reports.back(), err));
  }
  return kept;
}

}  // namespace

int RunVerify(int argc, const char* const* argv, const EngineLoader& load, std::ostream& out, std::ostream& err) {
  VerifyOptions options;
  if (const auto code = Parse(argc, argv, options, out, err)) return *code;
  std::vector<VerifyReport> reports;
  const absl::Status status = Measure(options, load, reports, err);
  if (!reports.empty()) {
    out << (options.format == "json" ? VerifyJson(reports, ABLATE_VERSION) : VerifyTable(reports)) << std::flush;
  }
  if (!status.ok()) err << "ablated verify: " << status.message() << std::endl;
  return status.ok() ? 0 : 1;
}

}  // namespace ablate
