// `ablate job results`.
#include "client/cpp/job_results.h"

#include <unistd.h>

#include <iostream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/cpp/cli/job_end.h"
#include "client/cpp/cli/job_options.h"
#include "client/cpp/cli/option_error.h"
#include "client/cpp/cli/result_stream.h"

namespace ablate::cli {
namespace {

// What a job has beside its rows, its manifest tells; whether it has a summary, only the summary itself. Without a name
// there is no place beside the rows.
absl::Status OpenBeside(const OutputOptions& options, const ablation::v1::Readout& readout, ResultOutputs* outputs) {
  if (!options.is_csv()) return absl::OkStatus();
  if (!options.path.empty()) {
    absl::Status status;
    if (readout.likelihood()) status = outputs->OpenLikelihood(options);
    if (readout.compensation()) status.Update(outputs->OpenCompensation(options));
    status.Update(outputs->OpenSummary(options));
    return status;
  }
  if (readout.likelihood() || readout.compensation()) {
    std::cerr << "ablate: note: likelihoods and compensations are left out: --output FILE puts them beside the rows, "
                 "--format jsonl between them\n";
  }
  return absl::OkStatus();
}

std::vector<int> SkippedPrompts(const ablation::v1::Job& job) {
  std::vector<int> prompts;
  for (const auto& prompt : job.skipped_prompts()) {
    if (prompt.prompt_index() >= 0 && prompt.prompt_index() < job.n_prompts()) prompts.push_back(prompt.prompt_index());
  }
  return prompts;
}

// Behind the last result: what there is of it, and where it goes on.
absl::Status Finish(const JobOptions& options, const client::JobResults& results, ResultStream* stream,
                    ResultOutputs* outputs) {
  ablation::v1::Completion completion = results.completion;
  if (completion.rows() == 0) completion.set_rows(stream->rows());
  const auto begun = stream->End(completion);
  if (!begun.ok()) return begun.status();
  if (!begun->empty()) {
    std::cerr << "ablate: warning: of " << (begun->size() == 1 ? "prompt " : "prompts ") << absl::StrJoin(*begun, ", ")
              << " only a part is there from offset " << options.offset << " to " << results.next_offset
              << ": left out\n";
  }
  if (!stream->has_summary()) outputs->summary = nullptr;
  if (stream->has_summary() && options.output.is_csv() && options.output.path.empty()) {
    std::cerr << "ablate: note: the summary is left out: --output FILE puts it beside the rows, --format jsonl between "
                 "them\n";
  }
  auto status = outputs->Commit();
  const bool has_more = !HasEnded(results.job) || results.next_offset < results.job.n_results();
  if (status.ok() && options.only_stored && has_more) {
    std::cerr << "ablate: there is more: --offset " << results.next_offset << " goes on from here\n";
  }
  return status;
}

}  // namespace

absl::Status RunJobResults(const JobOptions& options, Session& session) {
  auto outputs = ResultOutputs::Open(options.output);
  if (!outputs.ok()) return outputs.status();
  const DataSet no_fields;
  const bool is_table = options.output.is_table();
  const bool draws_live = is_table && outputs->rows->IsTerminal();
  ResultStream stream(
      {.make_writer = [&](const client::ScanManifest& manifest) -> absl::StatusOr<std::unique_ptr<ResultWriter>> {
         const auto& readout = manifest.head.readout();
         if (auto status = OpenBeside(options.output, readout, &*outputs); !status.ok()) return status;
         return MakeResultWriter(options.output, readout.top_k(), *outputs, &no_fields);
       },
       .rows = outputs->rows.get(),
       .print_warnings = !is_table,
       .show_progress = isatty(STDERR_FILENO) == 1 && !draws_live,
       .order = options.offset == 0 ? PromptOrder::kAsAsked : PromptOrder::kAsTheyCome});
  client::JobResultsHandlers handlers = {.scan = stream.Handlers()};
  handlers.on_job = [&](const ablation::v1::Job& job) {
    const bool is_whole =
        job.state() != ablation::v1::JOB_STATE_FAILED && job.state() != ablation::v1::JOB_STATE_CANCELLED;
    // Before anything is written.
    if (!is_whole && !options.only_stored) return EndOf(job);
    return stream.Skip(SkippedPrompts(job));
  };
  const auto results = client::ReadJobResults(
      &session.client(),
      {.id = options.id(), .offset = options.offset, .only_stored = options.only_stored, .retry = options.retry},
      handlers, session.call());
  if (!results.ok()) return results.status();
  const auto end = EndOf(results->job);
  const bool is_wanted = end.ok() || options.only_stored || results->job.state() == ablation::v1::JOB_STATE_PARTIAL;
  if (!is_wanted) return end;
  if (!stream.has_manifest()) {
    return absl::FailedPreconditionError(
        absl::StrCat("the job ", options.id(), " has no results yet: without --only-stored, they are waited for"));
  }
  auto status = stream.Skip(SkippedPrompts(results->job));
  if (status.ok()) status = Finish(options, *results, &stream, &*outputs);
  if (!status.ok() || options.only_stored) return status;
  return end;
}

}  // namespace ablate::cli
