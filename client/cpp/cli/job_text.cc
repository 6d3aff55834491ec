#include "client/cpp/cli/job_text.h"

#include <cmath>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "client/cpp/cli/jsonl.h"
#include "client/cpp/cli/output.h"
#include "client/cpp/cli/text.h"

namespace ablate::cli {
namespace {

namespace v1 = ::ablation::v1;

constexpr int kSkippedShown = 20;

std::string Time(int64_t unix_ms) {
  return absl::FormatTime("%Y-%m-%d %H:%M:%S", absl::FromUnixMillis(unix_ms), absl::UTCTimeZone());
}

// Seconds are as much as a guess is worth.
std::string Remaining(const v1::Job& job) {
  if (job.ended_unix_ms() != 0) return "";
  if (!job.has_remaining_ms()) return "unknown";
  return absl::FormatDuration(absl::Seconds(std::llround(std::ceil(static_cast<double>(job.remaining_ms()) / 1000))));
}

std::string Done(const v1::Job& job) {
  return absl::StrCat(job.prompts_done(), "/", job.n_prompts());
}

}  // namespace

std::string StateName(v1::JobState state) {
  const std::string full = v1::JobState_Name(state);
  absl::string_view name = full;
  absl::ConsumePrefix(&name, "JOB_STATE_");
  return name.empty() ? absl::StrCat("state ", static_cast<int>(state)) : absl::AsciiStrToLower(name);
}

std::vector<std::string> StateNames() {
  std::vector<std::string> names;
  for (int number = 1; v1::JobState_IsValid(number); ++number) {
    names.push_back(StateName(static_cast<v1::JobState>(number)));
  }
  return names;
}

v1::JobState StateOf(const std::string& name) {
  v1::JobState state = v1::JOB_STATE_UNSPECIFIED;
  v1::JobState_Parse(absl::StrCat("JOB_STATE_", absl::AsciiStrToUpper(name)), &state);
  return state;
}

std::string JobTable(const std::vector<v1::Job>& jobs) {
  if (jobs.empty()) return "no jobs\n";
  std::string table = absl::StrFormat("%-32s  %-9s  %13s  %-19s  %-9s  %s\n", "id", "state", "prompts", "created (UTC)",
                                      "remaining", "name");
  for (const v1::Job& job : jobs) {
    std::string line = absl::StrFormat("%-32s  %-9s  %13s  %-19s  %-9s  %s", job.id(), StateName(job.state()),
                                       Done(job), Time(job.created_unix_ms()), Remaining(job),
                                       job.display_name().empty() ? "" : Quote(job.display_name()));
    absl::StrAppend(&table, absl::StripTrailingAsciiWhitespace(line), "\n");
  }
  return table;
}

std::string JobDetails(const v1::Job& job) {
  std::string text;
  const auto add = [&](const char* name, const auto& value) {
    absl::StrAppend(&text, absl::StrFormat("%-12s", name), value, "\n");
  };
  add("id", job.id());
  if (!job.display_name().empty()) add("name", Quote(job.display_name()));
  add("state", StateName(job.state()));
  if (job.has_error()) add("error", Cut(Quote(job.error().message()), 2000));
  if (!job.waiting_reason().empty()) add("waits", job.waiting_reason());
  if (job.queue_position() > 0) add("before it", absl::StrCat(job.queue_position(), " jobs"));
  add("prompts", absl::StrCat(job.prompts_done(), " of ", job.n_prompts(), " done"));
  for (int i = 0; i < job.skipped_prompts_size() && i < kSkippedShown; ++i) {
    add("skipped",
        absl::StrCat("prompt ", job.skipped_prompts(i).prompt_index(), ": ", job.skipped_prompts(i).reason()));
  }
  if (job.skipped_prompts_size() > kSkippedShown) {
    add("", absl::StrCat("and ", job.skipped_prompts_size() - kSkippedShown, " more (--format json)"));
  }
  if (job.ended_unix_ms() == 0) add("remaining", Remaining(job));
  add("results", absl::StrCat(job.n_results(), " in ", job.result_bytes(), " bytes"));
  add("cost", absl::StrCat(job.cost_done(), " of ", job.cost(), " packed tokens x layers"));
  const auto add_time = [&](const char* name, int64_t unix_ms) {
    if (unix_ms != 0) add(name, absl::StrCat(Time(unix_ms), " UTC"));
  };
  add_time("created", job.created_unix_ms());
  add_time("started", job.started_unix_ms());
  add_time("ended", job.ended_unix_ms());
  add_time("kept until", job.expires_unix_ms());
  if (!job.request_id().empty()) add("request id", job.request_id());
  add("model", job.weights_sha256());
  return text;
}

std::string JobLine(const v1::Job& job) {
  std::string line =
      absl::StrCat(StateName(job.state()), "  ", job.prompts_done(), " of ", job.n_prompts(), " prompts");
  if (job.skipped_prompts_size() > 0) absl::StrAppend(&line, "  ", job.skipped_prompts_size(), " skipped");
  if (job.ended_unix_ms() != 0) return line;
  if (job.queue_position() > 0) absl::StrAppend(&line, "  ", job.queue_position(), " jobs before it");
  if (!job.waiting_reason().empty()) absl::StrAppend(&line, "  ", job.waiting_reason());
  if (job.has_remaining_ms()) absl::StrAppend(&line, "  about ", Remaining(job), " left");
  return line;
}

absl::Status PrintText(const std::string& text) {
  const auto output = Output::Standard();
  auto status = output->Write(text);
  status.Update(output->Commit());
  return status;
}

absl::Status PrintJob(const v1::Job& job, const std::string& format) {
  if (format == "id") return PrintText(absl::StrCat(job.id(), "\n"));
  if (format == "table") return PrintText(JobDetails(job));
  const auto json = ToJson(job, /*pretty=*/true);
  return json.ok() ? PrintText(*json) : json.status();
}

}  // namespace ablate::cli
