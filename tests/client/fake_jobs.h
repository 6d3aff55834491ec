// One job of a scripted server, whose streams break where a test wants it.
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "ablation/v1/jobs.pb.h"
#include "tests/client/fake_server.h"

namespace ablate::testing {

// Results of a job of three prompts of the fixtures' model, and how it is told. Lives longer than the server.
struct FakeJob {
  // Of the prompts named, in this order; a completion that counts them where the state has one.
  explicit FakeJob(const std::vector<int>& prompts = {0, 1, 2},
                   ablation::v1::JobState state = ablation::v1::JOB_STATE_SUCCEEDED);
  // Answers GetJob and StreamJobResults.
  void Serve(Script* script);

  ablation::v1::Job job;
  std::vector<ablation::v1::AblateResponse> results;
  // Offsets behind which streams break, one after the other. -1: before the next stream's first message.
  std::deque<int64_t> breaks;
  // Each stream's first offset, as asked for.
  std::vector<int64_t> asked;
};

}  // namespace ablate::testing
