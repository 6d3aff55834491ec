#include "server/verify_command.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "server/engine_options.h"
#include "server/environment.h"
#include "server/verify/floor_file.h"
#include "server/verify/verify.h"
#include "server/verify/verify_report.h"

namespace ablate {
namespace {

struct VerifyOptions {
  EngineOptions engine;
  // Empty: beside the model.
  std::string cache;
  bool no_cache = false;
  std::string format = "table";
};

// Returns the exit code where there is nothing to run.
std::optional<int> Parse(int argc, const char* const* argv, VerifyOptions& options, std::ostream& out,
                         std::ostream& err) {
  CLI::App app(
      "ablated verify: measures how far a model's results on a device are from float64.\n"
      "Runs a fixed set of edits on some prompts and prints each column's absolute error by prompt length. Its 99.9th\n"
      "percentile, the numeric floor, is kept beside the model, and every manifest carries it.",
      "ablated verify");
  app.option_defaults()->always_capture_default();
  app.get_formatter()->column_width(34);
  AddEngineOptions(app, options.engine);
  CLI::Option* cache = app.add_option("--cache", options.cache,
                                      "File to keep the floors in; default: numeric_floor.json in the model's folder. "
                                      "`ablated --numeric-floor FILE` reads another one");
  app.add_flag("--no-cache", options.no_cache, "Keep nothing")->excludes(cache);
  app.add_option("--format", options.format, "table, or json (all figures)")->check(CLI::IsMember({"table", "json"}));
  try {
    app.parse(WithEnvironment(app, argc, argv));
  } catch (const CLI::Success& success) {
    app.exit(success, out, err);
    return 0;
  } catch (const std::exception& error) {
    err << "ablated verify: " << error.what() << " (see ablated verify --help)\n";
    return 2;
  }
  if (options.engine.precision == Precision::kFloat64) {
    err << "ablated verify: --precision: got float64, which the others are compared with; expected float32, tf32 or "
           "bf16\n";
    return 2;
  }
  return std::nullopt;
}

int Fail(std::ostream& err, const absl::Status& status) {
  err << "ablated verify: " << status.message() << std::endl;
  return 1;
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
    is_wanted_ = false;
    return Report(status, err);
  }

  absl::Status Write(const FloorKey& key, const VerifyReport& report, std::ostream& err) const {
    if (!is_wanted_) return absl::OkStatus();
    const absl::Status status = WriteFloors(path_, key, report.errors);
    if (!status.ok()) return Report(status, err);
    err << "ablated verify: the floors are kept in " << path_ << std::endl;
    return absl::OkStatus();
  }

 private:
  absl::Status Report(const absl::Status& status, std::ostream& err) const {
    if (is_explicit_) return status;
    err << "ablated verify: the floors are not kept: " << status.message() << "; --cache FILE keeps them elsewhere"
        << std::endl;
    return absl::OkStatus();
  }

  bool is_wanted_;
  const bool is_explicit_;
  const std::string path_;
};

}  // namespace

int RunVerify(int argc, const char* const* argv, const EngineLoader& load, std::ostream& out, std::ostream& err) {
  VerifyOptions options;
  if (const auto code = Parse(argc, argv, options, out, err)) return *code;

  err << "ablated verify: loading " << options.engine.model_dir << std::endl;
  // In front: what loading sets for the whole process is to be as the engine under test wants it.
  EngineOptions exact = options.engine;
  exact.device = "cpu";
  exact.precision = Precision::kFloat64;
  const auto reference = load(exact);
  if (!reference.ok()) return Fail(err, reference.status());
  const auto subject = load(options.engine);
  if (!subject.ok()) return Fail(err, subject.status());

  FloorCache cache(options);
  const FloorKey key = MakeFloorKey((*subject)->Describe(), ABLATE_VERSION);
  if (absl::Status status = cache.Check(key, err); !status.ok()) return Fail(err, status);
  const auto progress = [&err](int32_t index, int32_t n_prompts, int32_t n_tokens) {
    err << "ablated verify: prompt " << index + 1 << " of " << n_prompts << ", " << n_tokens << " tokens" << std::endl;
  };
  const absl::StatusOr<VerifyReport> report = Verify(**subject, **reference, progress);
  if (!report.ok()) return Fail(err, report.status());
  out << (options.format == "json" ? VerifyJson(*report, ABLATE_VERSION) : VerifyTable(*report)) << std::flush;
  if (absl::Status status = cache.Write(key, *report, err); !status.ok()) return Fail(err, status);
  return 0;
}

}  // namespace ablate
