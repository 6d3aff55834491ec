#include "tests/client/fake_jobs.h"

#include "tests/client/fixtures.h"

namespace ablate::testing {

namespace v1 = ::ablation::v1;

FakeJob::FakeJob(const std::vector<int>& prompts, v1::JobState state) {
  constexpr int kPrompts = 3;
  const auto manifest = MakeManifest(kPrompts);
  results = HeadMessages(manifest);
  for (const int p : prompts) *results.emplace_back().mutable_row_block() = MakeBlock(RowsOf(manifest, p));
  if (state == v1::JOB_STATE_SUCCEEDED || state == v1::JOB_STATE_PARTIAL) {
    results.emplace_back().mutable_completion()->set_rows(5 * static_cast<int64_t>(prompts.size()));
  }
  job.set_id("0123456789abcdef0123456789abcdef");
  job.set_state(state);
  job.set_n_prompts(kPrompts);
  job.set_prompts_done(static_cast<int32_t>(prompts.size()));
  job.set_n_results(static_cast<int64_t>(results.size()));
  job.set_created_unix_ms(1'700'000'000'000);
  if (state > v1::JOB_STATE_RUNNING) job.set_ended_unix_ms(1'700'000'001'000);
}

void FakeJob::Serve(Script* script) {
  script->get_job = [this](const std::string&, v1::Job* answer) {
    *answer = job;
    return grpc::Status::OK;
  };
  script->job_results = [this](const v1::StreamJobResultsRequest& request, JobResultsWriter* writer) {
    asked.push_back(request.offset());
    const auto breaks_at = [this](int64_t offset) {
      if (breaks.empty() || breaks.front() != offset) return false;
      breaks.pop_front();
      return true;
    };
    const grpc::Status broken(grpc::UNAVAILABLE, "Socket closed");
    if (breaks_at(-1)) return broken;
    int64_t offset = request.offset();
    while (offset < static_cast<int64_t>(results.size())) {
      v1::StreamJobResultsResponse message;
      *message.mutable_result() = results[static_cast<size_t>(offset)];
      message.set_next_offset(++offset);
      writer->Write(message);
      if (breaks_at(offset)) return broken;
    }
    v1::StreamJobResultsResponse last;
    *last.mutable_job() = job;
    last.set_next_offset(offset);
    writer->Write(last);
    return grpc::Status::OK;
  };
}

}  // namespace ablate::testing
