// Calls on jobs that cannot be answered, each with its details.
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/jobs/job_calls.h"

namespace ablate {
namespace {

namespace pb = ::ablation::v1;
using ::testing::HasSubstr;

const char* const kNobodys = "00000000000000000000000000000000";
const char* const kUuid = "f81d4fae-7dec-11d0-a765-00a0c91e6bf6";

void ExpectError(const grpc::Status& status, grpc::StatusCode code, const std::string& reason) {
  EXPECT_EQ(status.error_code(), code) << status.error_message();
  EXPECT_EQ(DetailsOf(status).info.reason(), reason);
  EXPECT_EQ(DetailsOf(status).info.domain(), "ablate");
}

void ExpectBadField(const grpc::Status& status, const std::string& field, const std::string& reason) {
  ExpectError(status, grpc::StatusCode::INVALID_ARGUMENT, reason);
  const Details details = DetailsOf(status);
  ASSERT_EQ(details.bad_request.field_violations_size(), 1);
  EXPECT_EQ(details.bad_request.field_violations(0).field(), field);
}

pb::SubmitJobRequest FirstPart(int n_prompts = 0) {
  pb::SubmitJobRequest part;
  *part.mutable_request() = ScanRequest("a");
  part.set_n_prompts(n_prompts);
  return part;
}

pb::SubmitJobRequest LaterPart() {
  pb::SubmitJobRequest part;
  *part.add_prompts() = ScanRequest("b").prompts(0);
  return part;
}

TEST(BadJobCallTest, AServerWithoutAFolderKeepsNoJobs) {
  TestServer server;
  server.Serve();
  std::vector<grpc::Status> answers;
  grpc::ClientContext contexts[6];
  pb::GetJobResponse get;
  answers.push_back(server.stub().GetJob(&contexts[0], {}, &get));
  pb::ListJobsResponse list;
  answers.push_back(server.stub().ListJobs(&contexts[1], {}, &list));
  pb::CancelJobResponse cancel;
  answers.push_back(server.stub().CancelJob(&contexts[2], {}, &cancel));
  pb::DeleteJobResponse gone;
  answers.push_back(server.stub().DeleteJob(&contexts[3], {}, &gone));
  answers.push_back(server.stub().StreamJobResults(&contexts[4], {})->Finish());
  pb::SubmitJobResponse submitted;
  answers.push_back(server.stub().SubmitJob(&contexts[5], &submitted)->Finish());
  for (const grpc::Status& answer : answers) {
    ExpectError(answer, grpc::StatusCode::FAILED_PRECONDITION, "NO_JOBS");
    EXPECT_THAT(answer.error_message(), HasSubstr("--jobs-dir"));
  }
}

TEST(BadJobCallTest, AJobThatIsNotThere) {
  JobServer server;
  const std::string deleted = server.Submit(ScanRequest("a")).answer.id();
  ASSERT_TRUE(server.Delete(deleted).ok());
  for (const std::string& id : {std::string(kNobodys), std::string(), std::string("' OR 1"), deleted}) {
    for (const grpc::Status& answer :
         {server.Get(id).status, server.Cancel(id).status, server.Delete(id), server.Stream(id).status}) {
      ExpectError(answer, grpc::StatusCode::NOT_FOUND, "JOB_NOT_FOUND");
      EXPECT_EQ(answer.error_message(), absl::StrCat("there is no job \"", id, "\""));
    }
  }
}

// It was put into the message as it came.
TEST(BadJobCallTest, AnIdOfAnyTextIsQuoted) {
  JobServer server;
  const grpc::Status cut = server.Get(absl::StrCat(std::string(79, 'a'), "\xC3\xA9")).status;
  ExpectError(cut, grpc::StatusCode::NOT_FOUND, "JOB_NOT_FOUND");
  EXPECT_EQ(cut.error_message(), absl::StrCat("there is no job \"", std::string(79, 'a'), " ...\""));
  EXPECT_EQ(server.Get("a\nerror: b").status.error_message(), "there is no job \"a\\nerror: b\"");
}

TEST(BadJobCallTest, PagesThatThereAreNot) {
  JobServer server;
  for (const int32_t size : {-1, 1001}) {
    pb::ListJobsRequest request;
    request.set_page_size(size);
    ExpectBadField(server.List(request).status, "page_size", "PAGE_SIZE_OUT_OF_RANGE");
  }
  for (const char* token : {"x", "0", "-5", "1.5", "99999999999999999999"}) {
    pb::ListJobsRequest request;
    request.set_page_token(token);
    ExpectBadField(server.List(request).status, "page_token", "PAGE_TOKEN_INVALID");
  }
}

TEST(BadJobCallTest, StatesThatThereAreNot) {
  JobServer server;
  for (const int state : {0, 7, -1}) {
    pb::ListJobsRequest request;
    request.add_states(pb::JOB_STATE_FAILED);
    request.add_states(static_cast<pb::JobState>(state));
    ExpectBadField(server.List(request).status, "states[1]", "STATE_UNKNOWN");
  }
}

TEST(BadJobCallTest, OffsetsOutsideOfTheResults) {
  JobServer server;
  const std::string id = server.Submit(ScanRequest("a")).answer.id();
  const JobStream whole = server.Stream(id);
  ASSERT_TRUE(whole.status.ok()) << whole.status.error_message();
  for (const int64_t offset : {int64_t{-1}, whole.next_offset + 1}) {
    const JobStream bad = server.Stream(id, offset);
    ExpectError(bad.status, grpc::StatusCode::OUT_OF_RANGE, "OFFSET_OUT_OF_RANGE");
    EXPECT_THAT(bad.status.error_message(),
                HasSubstr(absl::StrCat("offset: got ", offset, ", expected 0 .. ", whole.next_offset)));
    EXPECT_TRUE(bad.results.empty());
  }
  const JobStream end = server.Stream(id, whole.next_offset);
  EXPECT_TRUE(end.status.ok());
  EXPECT_TRUE(end.results.empty());
  EXPECT_EQ(end.job.state(), pb::JOB_STATE_SUCCEEDED);
}

TEST(BadJobCallTest, PartsThatDoNotFitTogether) {
  JobServer server;
  ExpectBadField(server.Submit(std::vector<pb::SubmitJobRequest>{}).status, "request", "REQUEST_MISSING");
  ExpectBadField(server.Submit({LaterPart()}).status, "prompts", "PROMPTS_IN_FIRST_PART");
  std::vector<pb::SubmitJobRequest> later(4, LaterPart());
  *later[0].mutable_request() = ScanRequest("c");
  later[1].set_display_name("late");
  later[2].set_request_id(kUuid);
  later[3].set_n_prompts(2);
  for (const pb::SubmitJobRequest& part : later) {
    ExpectBadField(server.Submit({FirstPart(), part}).status, "request", "REQUEST_IN_LATER_PART");
  }
  EXPECT_EQ(server.List().answer.jobs_size(), 0);
  EXPECT_EQ(server.Submit({FirstPart(3), LaterPart(), LaterPart()}).answer.n_prompts(), 3);
}

// A client that died behind its first part was once given a job of that part alone.
TEST(BadJobCallTest, AnUploadThatBreaksOffIsNoShorterJob) {
  JobServer server;
  ExpectBadField(server.Submit({FirstPart(3), LaterPart()}).status, "n_prompts", "PROMPT_COUNT_MISMATCH");
  ExpectBadField(server.Submit({FirstPart(3)}).status, "n_prompts", "PROMPT_COUNT_MISMATCH");
  ExpectBadField(server.Submit({FirstPart(1), LaterPart()}).status, "n_prompts", "PROMPT_COUNT_MISMATCH");
  const grpc::Status uncounted = server.Submit({FirstPart(), LaterPart()}).status;
  ExpectBadField(uncounted, "n_prompts", "PROMPT_COUNT_MISMATCH");
  EXPECT_THAT(uncounted.error_message(), HasSubstr("got 0, expected 2"));
  EXPECT_EQ(server.List().answer.jobs_size(), 0);
  EXPECT_TRUE(server.Submit({FirstPart(1)}).status.ok());
  EXPECT_TRUE(server.Submit({FirstPart()}).status.ok());
}

TEST(BadJobCallTest, NamesAndRequestIds) {
  JobServer server;
  pb::SubmitJobRequest part = FirstPart();
  part.set_display_name(std::string(201, 'x'));
  ExpectBadField(server.Submit({part}).status, "display_name", "NAME_TOO_LONG");
  for (const char* id : {"x", "F81D4FAE-7DEC-11D0-A765-00A0C91E6BF6", "f81d4fae7dec11d0a76500a0c91e6bf6"}) {
    ExpectBadField(server.Submit(ScanRequest("a"), id).status, "request_id", "REQUEST_ID_INVALID");
  }
  EXPECT_EQ(server.List().answer.jobs_size(), 0);
}

TEST(BadJobCallTest, ARequestIdOfAnotherRequest) {
  JobServer server;
  const auto first = server.Submit(ScanRequest("a"), kUuid);
  ASSERT_TRUE(first.status.ok());
  ExpectBadField(server.Submit(ScanRequest("b"), kUuid).status, "request_id", "REQUEST_ID_REUSED");
  EXPECT_EQ(server.Submit(ScanRequest("a"), kUuid).answer.id(), first.answer.id());
}

TEST(BadJobCallTest, ARequestThatAblateWouldRefuse) {
  JobServer server;
  pb::AblateRequest request = ScanRequest("a");
  request.add_prompts()->set_text("");
  const grpc::Status bad = server.Submit(request).status;
  EXPECT_EQ(bad.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(bad.error_message(), HasSubstr("prompts[1].text"));
  EXPECT_EQ(server.List().answer.jobs_size(), 0);
}

TEST(BadJobCallTest, ARequestThatCostsTooMuch) {
  JobServer server(0, {.job_limits = {.cost = 1000, .tokens = 50}});
  ExpectError(server.Submit(ManyPrompts(40)).status, grpc::StatusCode::RESOURCE_EXHAUSTED, "REQUEST_TOO_COSTLY");
  const grpc::Status bad = server.Submit(ManyPrompts(60)).status;
  ExpectError(bad, grpc::StatusCode::RESOURCE_EXHAUSTED, "REQUEST_TOO_MANY_TOKENS");
  EXPECT_TRUE(server.Submit(ManyPrompts(30)).status.ok());
}

TEST(BadJobCallTest, FieldsOfAnotherContract) {
  JobServer server;
  pb::SubmitJobRequest first = FirstPart(), later = LaterPart();
  for (pb::SubmitJobRequest* part : {&first, &later}) {
    const pb::SubmitJobRequest known = *part;
    part->GetReflection()->MutableUnknownFields(part)->AddVarint(1000, 1);
    EXPECT_EQ(server.Submit(part == &first ? std::vector{first} : std::vector{FirstPart(), later}).status.error_code(),
              grpc::StatusCode::INVALID_ARGUMENT);
    *part = known;
  }
  pb::ListJobsRequest list;
  list.GetReflection()->MutableUnknownFields(&list)->AddVarint(1000, 1);
  EXPECT_EQ(server.List(list).status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST(BadJobCallTest, MoreBytesThanAJobMayHave) {
  JobServer server;
  pb::SubmitJobRequest large;
  large.add_prompts()->set_text(std::string(15 << 20, 'x'));
  std::vector<pb::SubmitJobRequest> parts(18, large);
  parts.insert(parts.begin(), FirstPart());
  const grpc::Status bad = server.Submit(parts).status;
  ExpectError(bad, grpc::StatusCode::RESOURCE_EXHAUSTED, "JOB_TOO_LARGE");
  EXPECT_EQ(DetailsOf(bad).quota.violations_size(), 1);
  EXPECT_FALSE(DetailsOf(bad).retry.has_retry_delay());
  EXPECT_TRUE(server.Submit(ScanRequest("a")).status.ok());
}

TEST(BadJobCallTest, AClientThatStopsInTheMiddleOfAJob) {
  JobServer server(0, {.max_write_stall = absl::Milliseconds(300)});
  grpc::ClientContext context;
  pb::SubmitJobResponse response;
  const auto writer = server.stub().SubmitJob(&context, &response);
  ASSERT_TRUE(writer->Write(FirstPart()));
  const grpc::Status stalled = writer->Finish();
  EXPECT_EQ(stalled.error_code(), grpc::StatusCode::ABORTED);
  EXPECT_THAT(stalled.error_message(), HasSubstr("sent nothing for 300ms (--max-write-stall)"));
  EXPECT_EQ(server.List().answer.jobs_size(), 0);
}

}  // namespace
}  // namespace ablate
