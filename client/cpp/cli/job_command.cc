// `ablate job`.
#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/cpp/cli/command.h"
#include "client/cpp/cli/exit_code.h"
#include "client/cpp/cli/interrupt.h"
#include "client/cpp/cli/job_options.h"
#include "client/cpp/cli/job_text.h"
#include "client/cpp/cli/text.h"

namespace ablate::cli {
namespace {

constexpr char kDescription[] =
    "Run data sets in the background: a job outlives the command that submitted it, and the server's death.\n"
    "The server keeps jobs and their results (ablated --jobs-dir), and runs them behind the scans of clients that "
    "wait.";

constexpr char kFooter[] =
    "Examples:\n"
    "  ID=$(ablate job submit --prompts ioi.jsonl --sweep pairs --summary --name 'IOI, pairs')\n"
    "  ablate job watch $ID && ablate job results $ID --format csv --output ioi.csv\n"
    "  ablate job submit --prompts facts.jsonl --wait --format json\n"
    "  ablate job list --state running --state queued\n"
    "  ablate job results $ID --only-stored --format jsonl --output so-far.jsonl\n\n";

// One of `ablate job`'s own commands.
struct Subcommand {
  CLI::App* app;
  std::shared_ptr<JobOptions> options;
  RunJobCommand run;
};

Subcommand AddSubcommand(CLI::App* job, const char* name, const char* description, RunJobCommand run) {
  CLI::App* app = job->add_subcommand(name, description);
  app->footer(absl::StrCat(kFooter, kExitCodesHelp));
  return {app, std::make_shared<JobOptions>(), run};
}

void AddFormat(const Subcommand& command, const char* default_format) {
  command.options->format = default_format;
  command.app
      ->add_option("--format", command.options->format,
                   absl::StrCat("table, json or id (default: ", default_format, ")"))
      ->check(CLI::IsMember({"table", "json", "id"}));
}

void AddIds(const Subcommand& command, int most) {
  command.app->add_option("id", command.options->ids, most == 1 ? "Which job" : "Which jobs")
      ->required()
      ->expected(1, most);
}

// The command waits for the job, however long that takes.
void AddWaiting(const Subcommand& command) {
  command.options->timeout = absl::InfiniteDuration();
  command.app
      ->add_option(
          "--retries", command.options->retry.tries,
          Wrap("Where the connection breaks: so many more tries, in all about a minute, before it is an error; "
               "each answer begins them anew (default: 10)",
               kHelpWidth))
      ->check(CLI::Range(0, 1000));
}

Subcommand AddSubmit(CLI::App* job) {
  const auto command =
      AddSubcommand(job, "submit", "Submit a data set, or one prompt; prints the job's id.", RunJobSubmit);
  JobOptions& options = *command.options;
  AddRequestFlags(command.app, &options.flags);
  constexpr char kJob[] = "The job";
  command.app
      ->add_option("--name", options.names.display_name, "What people call it, at most 200 bytes (default: none)")
      ->group(kJob);
  command.app
      ->add_option(
          "--request-id", options.names.request_id,
          Wrap("A UUID: a second submission of the same request with it is answered with the first one's job "
               "(default: a fresh one, so that a connection that breaks in this run makes no second job; a "
               "script that may run twice names its own). Where that job was deleted or has expired, a new one runs",
               kHelpWidth))
      ->group(kJob);
  command.app
      ->add_flag("--wait", options.wait, "Wait until it has ended, and exit with what `ablate job watch` exits with")
      ->group(kJob);
  AddFormat(command, "id");
  AddWaiting(command);
  return command;
}

Subcommand AddList(CLI::App* job) {
  const auto command = AddSubcommand(job, "list", "List jobs, the newest first.", RunJobList);
  command.app->add_option("--state", command.options->states, "Only jobs in this state; again: or in this one")
      ->allow_extra_args(false)
      ->check(CLI::IsMember(StateNames()));
  command.app->add_option("--limit", command.options->limit, "At most so many (default: 100)")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 40));
  AddFormat(command, "table");
  return command;
}

Subcommand AddResults(CLI::App* job) {
  const auto command =
      AddSubcommand(job, "results",
                    "Give what `ablate scan` would have given. Waits for what is not there yet, and goes "
                    "on where a connection broke.",
                    RunJobResults);
  JobOptions& options = *command.options;
  AddIds(command, 1);
  AddOutputOptions(command.app, &options.output);
  command.app
      ->add_option(
          "--offset", options.offset,
          Wrap("Leave out what was stored before this offset, which an earlier --only-stored told; prompts then "
               "come in the order in which they were stored (default: 0)",
               kHelpWidth))
      ->check(CLI::Range(int64_t{0}, int64_t{1} << 60));
  command.app->add_flag(
      "--only-stored", options.only_stored,
      Wrap("End behind what is stored now, also of a job that runs, failed or was cancelled; exits with "
           "0 all the same",
           kHelpWidth));
  AddWaiting(command);
  return command;
}

}  // namespace

Command AddJobCommand(CLI::App* app) {
  CLI::App* job = app->add_subcommand("job", kDescription);
  job->require_subcommand(1);
  job->footer(absl::StrCat(kFooter, kExitCodesHelp));
  std::vector<Subcommand> commands = {AddSubmit(job), AddList(job)};
  commands.push_back(AddSubcommand(job, "show", "Tell how a job is.", RunJobShow));
  AddIds(commands.back(), 1);
  AddFormat(commands.back(), "table");
  commands.push_back(AddSubcommand(
      job, "watch", "Follow a job to its end: a line a change, on a terminal in place; exits as it ended.",
      RunJobWatch));
  AddIds(commands.back(), 1);
  AddWaiting(commands.back());
  commands.push_back(AddResults(job));
  commands.push_back(AddSubcommand(job, "cancel", "End jobs: what they have computed is kept.", RunJobCancel));
  AddIds(commands.back(), 1000);
  commands.push_back(AddSubcommand(job, "delete", "Cancel jobs and remove them with their results.", RunJobDelete));
  AddIds(commands.back(), 1000);
  for (const Subcommand& command : commands) {
    AddServerOptions(command.app, &command.options->common,
                     command.options->timeout == absl::InfiniteDuration() ? "none" : "30s");
  }
  return [commands]() -> absl::Status {
    for (const Subcommand& command : commands) {
      if (!command.app->parsed()) continue;
      InterruptScope interrupt;
      auto session = Session::Open(command.options->common, command.options->timeout, interrupt.cancellation());
      return session.ok() ? command.run(*command.options, *session) : session.status();
    }
    return absl::InternalError("no command of `ablate job` was given");
  };
}

}  // namespace ablate::cli
