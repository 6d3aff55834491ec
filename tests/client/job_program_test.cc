// `ablate job` end to end, against a scripted server.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <deque>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/client/fake_jobs.h"
#include "tests/client/program_fixture.h"

namespace ablate::testing {
namespace {

namespace v1 = ::ablation::v1;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;
using ::testing::StartsWith;

class JobProgramTest : public ProgramTest {
 protected:
  ~JobProgramTest() override { server_.reset(); }
  using ProgramTest::Serve;
  void Serve(FakeJob* job) {
    Script script;
    job->Serve(&script);
    Serve(script);
  }
  ProgramResult Job(std::vector<std::string> arguments, const std::string& input = "") const {
    arguments.insert(arguments.begin(), "job");
    return Ablate(std::move(arguments), input);
  }

  // Live longer than the server.
  std::deque<FakeJob> jobs_;
};

TEST_F(JobProgramTest, SubmitSendsTheRequestInPartsAndPrintsTheId) {
  std::vector<v1::SubmitJobRequest> seen;
  Script script;
  script.submit_job = [&seen](const std::vector<v1::SubmitJobRequest>& parts, v1::Job* job) {
    seen = parts;
    job->set_id("abc");
    return grpc::Status::OK;
  };
  Serve(script);
  // 30 prompts of 100 kB: three parts.
  std::string input;
  for (int i = 0; i < 30; ++i) input += R"({"prompt": ")" + std::string(100'000, 'x') + "\"}\n";
  const auto result = Job(
      {"submit", "--prompts", "-", "--sweep", "layers", "--name", "many", "--top-k", "3", "--seed", "4", "--summary"},
      input);
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.out, "abc\n");
  EXPECT_THAT(result.err, AllOf(HasSubstr("ablate job watch abc"), HasSubstr("ablate job results abc")));
  ASSERT_EQ(seen.size(), 3U);
  int prompts = seen[0].request().prompts_size();
  for (size_t i = 0; i < seen.size(); ++i) {
    EXPECT_LE(seen[i].ByteSizeLong(), (size_t{1} << 20) + 1000);
    EXPECT_EQ(seen[i].has_request(), i == 0);
    EXPECT_EQ(seen[i].display_name(), i == 0 ? "many" : "");
    EXPECT_EQ(seen[i].n_prompts(), i == 0 ? 30 : 0);
    prompts += seen[i].prompts_size();
  }
  EXPECT_EQ(seen[0].prompts_size(), 0);
  EXPECT_EQ(prompts, 30);
  EXPECT_TRUE(seen[0].request().sweep().has_layers());
  EXPECT_EQ(seen[0].request().readout().top_k(), 3);
  EXPECT_EQ(seen[0].request().summary().seed(), 4U);
  EXPECT_THAT(seen[0].request_id(),
              MatchesRegex("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"));
}

TEST_F(JobProgramTest, SubmitTriesAgainUnderOneRequestId) {
  std::vector<std::string> seen;
  Script script;
  script.submit_job = [&seen](const std::vector<v1::SubmitJobRequest>& parts, v1::Job* job) {
    seen.push_back(parts[0].request_id());
    job->set_id("abc");
    return seen.size() < 3 ? grpc::Status(grpc::UNAVAILABLE, "Socket closed") : grpc::Status::OK;
  };
  Serve(script);
  EXPECT_EQ(Job({"submit", "--prompt", "x"}).out, "abc\n");
  ASSERT_EQ(seen.size(), 3U);
  EXPECT_EQ(seen[0], seen[1]);
  EXPECT_EQ(seen[0], seen[2]);
  EXPECT_EQ(Job({"submit", "--prompt", "x"}).exit_code, 0);
  EXPECT_NE(seen[3], seen[0]);
  Job({"submit", "--prompt", "x", "--request-id", "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"});
  EXPECT_EQ(seen[4], "f81d4fae-7dec-11d0-a765-00a0c91e6bf6");
}

TEST_F(JobProgramTest, SubmitNamesTheOptionAtFault) {
  Script script;
  script.submit_job = [](const auto&, v1::Job*) { return InvalidField("sweep.filter.layers[0]", "got 99"); };
  Serve(script);
  const auto refused = Job({"submit", "--prompt", "x", "--layers", "99"});
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_THAT(refused.err, HasSubstr("(--layers)"));
  script.submit_job = [](const auto&, v1::Job*) { return InvalidField("request_id", "expected a UUID"); };
  Serve(script);
  EXPECT_THAT(Job({"submit", "--prompt", "x", "--request-id", "y"}).err, HasSubstr("(--request-id)"));
  EXPECT_EQ(Job({"submit", "--spec", "-", "--layers", "1"}, "{}").exit_code, 2);
  // A server of the command's own would end with it.
  EXPECT_EQ(Job({"submit", "--prompt", "x", "--local", "--model", "m"}).exit_code, 2);
}

TEST_F(JobProgramTest, WaitingExitsAsTheJobEnded) {
  const std::vector<std::pair<v1::JobState, int>> ends = {{v1::JOB_STATE_SUCCEEDED, 0},
                                                          {v1::JOB_STATE_FAILED, 1},
                                                          {v1::JOB_STATE_PARTIAL, 5},
                                                          {v1::JOB_STATE_CANCELLED, 6}};
  for (const auto& [state, code] : ends) {
    FakeJob& ended = jobs_.emplace_back(std::vector<int>{0}, state);
    ended.job.mutable_error()->set_message("RESULT_NOT_FINITE");
    if (state == v1::JOB_STATE_PARTIAL) ended.job.add_skipped_prompts()->set_reason("the server died twice");
    std::atomic<int> looks = 0;
    Script script;
    script.submit_job = [&](const auto&, v1::Job* job) {
      job->set_id("abc");
      job->set_state(v1::JOB_STATE_QUEUED);
      return grpc::Status::OK;
    };
    script.get_job = [&](const std::string&, v1::Job* job) {
      *job = ended.job;
      if (++looks < 3) {
        job->set_state(v1::JOB_STATE_RUNNING);
        job->set_ended_unix_ms(0);
        job->set_prompts_done(0);
        job->clear_skipped_prompts();
      }
      // A server that is away for a moment.
      return looks == 2 ? grpc::Status(grpc::UNAVAILABLE, "Socket closed") : grpc::Status::OK;
    };
    Serve(script);
    const auto waited = Job({"submit", "--prompt", "x", "--wait"});
    EXPECT_EQ(waited.exit_code, code) << waited.err;
    EXPECT_EQ(waited.out, "abc\n");
    looks = 0;
    const auto watched = Job({"watch", "abc"});
    EXPECT_EQ(watched.exit_code, code) << watched.err;
    EXPECT_THAT(watched.out, StartsWith("running  0 of 3 prompts\n"));
    EXPECT_EQ(std::count(watched.out.begin(), watched.out.end(), '\n'), 2) << watched.out;
    looks = 0;
    const auto json = Job({"submit", "--prompt", "x", "--wait", "--format", "json"});
    EXPECT_EQ(nlohmann::json::parse(json.out)["state"], v1::JobState_Name(state));
  }
}

TEST_F(JobProgramTest, ListShowsWhatIsAskedFor) {
  v1::ListJobsRequest seen;
  Script script;
  script.list_jobs = [&seen](const v1::ListJobsRequest& request, v1::ListJobsResponse* response) {
    seen = request;
    FakeJob job({0, 1}, v1::JOB_STATE_RUNNING);
    job.job.set_display_name("a\x1b[2J name");
    job.job.set_remaining_ms(61'500);
    *response->add_jobs() = job.job;
    response->set_next_page_token(request.page_token().empty() ? "more" : "");
    return grpc::Status::OK;
  };
  Serve(script);
  const auto table = Job({"list", "--state", "running", "--state", "queued"});
  EXPECT_EQ(table.exit_code, 0) << table.err;
  EXPECT_THAT(seen.states(), ::testing::ElementsAre(v1::JOB_STATE_RUNNING, v1::JOB_STATE_QUEUED));
  EXPECT_EQ(seen.page_size(), 99);
  EXPECT_THAT(table.out, AllOf(StartsWith("id "), HasSubstr("  running              2/3  2023-11-14 22:13:20  1m2s  "),
                               Not(HasSubstr("\x1b"))));
  EXPECT_EQ(std::count(table.out.begin(), table.out.end(), '\n'), 3);
  EXPECT_EQ(Job({"list", "--limit", "1", "--format", "id"}).out, "0123456789abcdef0123456789abcdef\n");
  EXPECT_EQ(seen.page_size(), 1);
  const auto json = Job({"list", "--limit", "1", "--format", "json"});
  EXPECT_EQ(nlohmann::json::parse(json.out)["prompts_done"], 2);
  EXPECT_EQ(Job({"list", "--state", "sleeping"}).exit_code, 2);
}

TEST_F(JobProgramTest, ResultsAreThoseOfAScanInTheOrderOfThePrompts) {
  FakeJob& job = jobs_.emplace_back(std::vector<int>{2, 0, 1});
  job.breaks = {1, 6, -1};
  Serve(&job);
  const auto stored = Job({"results", job.job.id(), "--format", "jsonl", "--output", Path("job")});
  EXPECT_EQ(stored.exit_code, 0) << stored.err;
  const std::string line = R"({"prompt": "Berlin is", "target": " Germany", "contrast": " France"})";
  const auto scanned = RunProgram({ABLATE_PROGRAM, "scan", "--prompts", "-", "--format", "jsonl"},
                                  {"ABLATE_SERVER=" + address_}, line + "\n" + line + "\n" + line + "\n");
  EXPECT_EQ(scanned.exit_code, 0) << scanned.err;
  // Behind the manifest, which has the request's readout.
  const auto rows = [](const std::string& text) { return text.substr(text.find('\n')); };
  EXPECT_EQ(rows(Read(Path("job"))), rows(scanned.out));
  EXPECT_EQ(Job({"results", job.job.id(), "--format", "table"}).exit_code, 0);
  const auto csv = Job({"results", job.job.id(), "--format", "csv"});
  EXPECT_EQ(std::count(csv.out.begin(), csv.out.end(), '\n'), 16);
}

TEST_F(JobProgramTest, APartialJobGivesWhatThereIsAndSaysSo) {
  FakeJob& job = jobs_.emplace_back(std::vector<int>{2, 0}, v1::JOB_STATE_PARTIAL);
  job.job.add_skipped_prompts()->set_prompt_index(1);
  job.job.mutable_skipped_prompts(0)->set_reason("the server died twice");
  Serve(&job);
  const auto result = Job({"results", job.job.id(), "--format", "csv", "--output", Path("out.csv")});
  EXPECT_EQ(result.exit_code, 5);
  EXPECT_THAT(result.err, HasSubstr("results of 2 of 3 prompts; skipped: prompt 1: the server died twice"));
  const std::string text = Read(Path("out.csv"));
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 11);
  EXPECT_LT(text.find("\n0,"), text.find("\n2,"));
  EXPECT_FALSE(std::filesystem::exists(Path("out.summary.csv")));
  // Rows that are missing without a word are an error.
  job.job.mutable_skipped_prompts(0)->set_prompt_index(0);
  EXPECT_EQ(Job({"results", job.job.id(), "--format", "csv", "--output", Path("bad.csv")}).exit_code, 1);
  EXPECT_FALSE(std::filesystem::exists(Path("bad.csv")));
}

TEST_F(JobProgramTest, AFailedJobGivesNothingUnlessAskedFor) {
  FakeJob& job = jobs_.emplace_back(std::vector<int>{0, 2}, v1::JOB_STATE_FAILED);
  job.job.mutable_error()->set_message("not finite");
  Serve(&job);
  const auto result = Job({"results", job.job.id(), "--format", "jsonl", "--output", Path("out")});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr("failed after 2 of 3 prompts: not finite"));
  EXPECT_FALSE(std::filesystem::exists(Path("out")));
  const auto stored = Job({"results", job.job.id(), "--format", "jsonl", "--only-stored"});
  EXPECT_EQ(stored.exit_code, 0) << stored.err;
  EXPECT_EQ(std::count(stored.out.begin(), stored.out.end(), '\n'), 11);
}

TEST_F(JobProgramTest, PartsOfResultsFollowOneAnother) {
  FakeJob& job = jobs_.emplace_back(std::vector<int>{2, 0}, v1::JOB_STATE_RUNNING);
  Serve(&job);
  const auto first = Job({"results", job.job.id(), "--format", "csv", "--only-stored"});
  EXPECT_EQ(first.exit_code, 0) << first.err;
  EXPECT_THAT(first.err, HasSubstr("there is more: --offset 7 goes on from here"));
  EXPECT_EQ(std::count(first.out.begin(), first.out.end(), '\n'), 11);
  FakeJob& whole = jobs_.emplace_back(std::vector<int>{2, 0, 1});
  Serve(&whole);
  const auto rest = Job({"results", job.job.id(), "--format", "csv", "--offset", "7"});
  EXPECT_EQ(rest.exit_code, 0) << rest.err;
  EXPECT_EQ(std::count(rest.out.begin(), rest.out.end(), '\n'), 6);
  EXPECT_THAT(rest.out, HasSubstr("\n1,"));
  EXPECT_EQ(Job({"results", job.job.id(), "--offset", "10"}).exit_code, 2);
}

TEST_F(JobProgramTest, CancelAndDeleteTakeSeveral) {
  std::vector<std::string> gone;
  Script script;
  script.cancel_job = [&gone](const std::string& id, v1::Job* job) {
    gone.push_back(id);
    job->set_state(v1::JOB_STATE_CANCELLED);
    return grpc::Status::OK;
  };
  script.delete_job = [&gone](const std::string& id) {
    gone.push_back(id);
    return grpc::Status::OK;
  };
  Serve(script);
  EXPECT_THAT(Job({"cancel", "a", "b"}).out, StartsWith("a  cancelled"));
  EXPECT_EQ(Job({"delete", "c"}).exit_code, 0);
  EXPECT_THAT(gone, ::testing::ElementsAre("a", "b", "c"));
}

// They stopped at the first one, and left the others running.
TEST_F(JobProgramTest, CancelAndDeleteGoThroughAllOfThem) {
  const Script has_none;
  Script script;
  script.cancel_job = [&has_none](const std::string& id, v1::Job* job) {
    job->set_state(v1::JOB_STATE_CANCELLED);
    return id == "bad" ? has_none.cancel_job(id, job) : grpc::Status::OK;
  };
  script.delete_job = [&has_none](const std::string& id) {
    return id == "bad" ? has_none.delete_job(id) : grpc::Status::OK;
  };
  Serve(script);
  for (const auto& [command, done] : {std::pair("cancel", "cancelled"), std::pair("delete", "deleted")}) {
    const auto result = Job({command, "a", "bad", "c"});
    EXPECT_EQ(result.exit_code, 2);
    EXPECT_THAT(result.err, HasSubstr("no such job"));
    EXPECT_THAT(result.out, HasSubstr(absl::StrCat("a  ", done)));
    EXPECT_THAT(result.out, HasSubstr("\nbad  no such job"));
    EXPECT_THAT(result.out, HasSubstr(absl::StrCat("\nc  ", done)));
  }
}

TEST_F(JobProgramTest, WhereNobodyAnswersTheRestAreNotAskedFor) {
  std::vector<std::string> asked;
  Script script;
  script.delete_job = [&asked](const std::string& id) {
    asked.push_back(id);
    return grpc::Status(grpc::UNAVAILABLE, "the disk is full");
  };
  Serve(script);
  EXPECT_EQ(Job({"delete", "a", "b"}).exit_code, 3);
  EXPECT_THAT(asked, ::testing::ElementsAre("a"));
}

// An error of a job before hid that the server went away.
TEST_F(JobProgramTest, ThatNobodyAnswersIsTheErrorWhateverCameBefore) {
  Script script;
  script.delete_job = [](const std::string& id) {
    return id == "gone" ? grpc::Status(grpc::UNAVAILABLE, "the disk is full") : Script().delete_job(id);
  };
  Serve(script);
  const auto result = Job({"delete", "bad", "gone", "c"});
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_THAT(result.err, HasSubstr("the disk is full"));
  EXPECT_THAT(result.out, AllOf(StartsWith("bad  no such job"), Not(HasSubstr("\nc  "))));
}

TEST_F(JobProgramTest, WhatIsNotThereIsAnErrorAtOnce) {
  Serve(Script());
  for (const char* command : {"show", "watch", "results", "cancel", "delete"}) {
    const auto result = Job({command, "nosuch"});
    EXPECT_EQ(result.exit_code, 2) << command;
    EXPECT_THAT(result.err, HasSubstr("no such job")) << command;
  }
  server_.reset();
  for (const char* command : {"show", "watch", "results"}) {
    EXPECT_EQ(Job({command, "nosuch"}).exit_code, 3) << command;
  }
  EXPECT_EQ(Job({"show"}).exit_code, 2);
  EXPECT_EQ(Job({}).exit_code, 2);
}

}  // namespace
}  // namespace ablate::testing
