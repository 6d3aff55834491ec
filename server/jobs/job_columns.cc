#include "server/jobs/job_columns.h"

#include "SQLiteCpp/Column.h"

namespace ablate {
namespace pb = ::ablation::v1;

const char* const kJobColumns =
    "number, id, display_name, state, created_ms, started_ms, ended_ms, n_prompts, prompts_done, cost, cost_done, "
    "n_results, result_bytes, error_code, error_reason, error_message, weights_sha256, request_id, tenant, runs_as, "
    "plan_ns, forward_ns, readout_ns, forward_passes, peak_bytes";

StoredJob StoredJobOf(const SQLite::Statement& row) {
  StoredJob stored;
  pb::Job& job = stored.job;
  int i = 0;
  const auto next = [&row, &i] { return row.getColumn(i++); };
  stored.number = next().getInt64();
  job.set_id(next().getString());
  job.set_display_name(next().getString());
  job.set_state(static_cast<pb::JobState>(next().getInt()));
  job.set_created_unix_ms(next().getInt64());
  job.set_started_unix_ms(next().getInt64());
  job.set_ended_unix_ms(next().getInt64());
  job.set_n_prompts(next().getInt());
  job.set_prompts_done(next().getInt());
  job.set_cost(next().getInt64());
  job.set_cost_done(next().getInt64());
  job.set_n_results(next().getInt64());
  job.set_result_bytes(next().getInt64());
  const int code = next().getInt();
  const std::string reason = next().getString();
  const std::string message = next().getString();
  if (code != 0) {
    job.mutable_error()->set_code(code);
    job.mutable_error()->set_reason(reason);
    job.mutable_error()->set_message(message);
  }
  job.set_weights_sha256(next().getString());
  job.set_request_id(next().getString());
  stored.tenant = next().getString();
  stored.runs_as = next().getString();
  stored.use.plan_ns = next().getInt64();
  stored.use.forward_ns = next().getInt64();
  stored.use.readout_ns = next().getInt64();
  stored.use.forward_passes = next().getInt();
  stored.use.peak_bytes = next().getInt64();
  return stored;
}

bool IsFinal(pb::JobState state) {
  switch (state) {
    case pb::JOB_STATE_SUCCEEDED:
    case pb::JOB_STATE_PARTIAL:
    case pb::JOB_STATE_FAILED:
    case pb::JOB_STATE_CANCELLED:
      return true;
    default:
      return false;
  }
}

}  // namespace ablate
