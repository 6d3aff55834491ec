// Tenants of one server see their own jobs and mean libraries only; another's and none are one answer.
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/jobs/job_store.h"
#include "server/means/mean_file.h"
#include "tests/server/auth/token_server.h"
#include "tests/server/jobs/call_by_id.h"
#include "tests/server/means/make_library.h"
#include "tests/server/means/means_calls.h"
#include "tests/server/scan_call.h"

namespace ablate {
namespace {

namespace pb = ::ablation::v1;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

using Stub = pb::AblationService::Stub;

constexpr char kNoSuchJob[] = "00000000000000000000000000000000";

grpc::Status SubmitJob(Stub& stub, const pb::AblateRequest& request, pb::Job& job, const std::string& request_id = "") {
  grpc::ClientContext context;
  pb::SubmitJobResponse response;
  pb::SubmitJobRequest part;
  *part.mutable_request() = request;
  part.set_request_id(request_id);
  part.set_n_prompts(request.prompts_size());
  pb::SubmitJobRequest prompts;
  prompts.mutable_prompts()->Swap(part.mutable_request()->mutable_prompts());
  const auto writer = stub.SubmitJob(&context, &response);
  writer->Write(part);
  writer->Write(prompts);
  writer->WritesDone();
  const grpc::Status status = writer->Finish();
  job = response.job();
  return status;
}

// How each call that takes a scan ends.
grpc::Status ScanStatus(Stub& stub, const pb::AblateRequest& request) {
  return RunScan(stub, request).status;
}

grpc::Status ExplainStatus(Stub& stub, const pb::AblateRequest& request) {
  return ExplainScan(stub, request).status;
}

grpc::Status JobStatus(Stub& stub, const pb::AblateRequest& request) {
  pb::Job job;
  return SubmitJob(stub, request, job);
}

grpc::Status GetJob(Stub& stub, const std::string& id) {
  return CallById(stub, &Stub::GetJob, id).status;
}

grpc::Status CancelJob(Stub& stub, const std::string& id) {
  return CallById(stub, &Stub::CancelJob, id).status;
}

grpc::Status DeleteJob(Stub& stub, const std::string& id) {
  return CallById(stub, &Stub::DeleteJob, id).status;
}

grpc::Status StreamJob(Stub& stub, const std::string& id) {
  grpc::ClientContext context;
  pb::StreamJobResultsRequest request;
  request.set_id(id);
  pb::StreamJobResultsResponse response;
  const auto reader = stub.StreamJobResults(&context, request);
  while (reader->Read(&response)) continue;
  return reader->Finish();
}

std::vector<std::string> JobIds(Stub& stub) {
  grpc::ClientContext context;
  pb::ListJobsResponse response;
  EXPECT_TRUE(stub.ListJobs(&context, {}, &response).ok());
  std::vector<std::string> ids;
  for (const pb::Job& job : response.jobs()) ids.push_back(job.id());
  return ids;
}

std::vector<std::string> LibraryIds(Stub& stub) {
  const ListResult result = List(stub);
  EXPECT_TRUE(result.status.ok()) << result.status.error_message();
  std::vector<std::string> ids;
  for (const pb::MeanLibrary& library : result.response.libraries()) ids.push_back(library.id());
  return ids;
}

// The same code, reason and, but for the id, text.
void ExpectAlike(const grpc::Status& one, const grpc::Status& other, const std::string& id,
                 const std::string& other_id) {
  EXPECT_EQ(one.error_code(), grpc::StatusCode::NOT_FOUND) << one.error_message();
  EXPECT_EQ(other.error_code(), one.error_code());
  EXPECT_EQ(DetailsOf(other).info.reason(), DetailsOf(one).info.reason());
  std::string text = one.error_message();
  if (const size_t at = text.find(id); at != std::string::npos) text.replace(at, id.size(), other_id);
  EXPECT_EQ(text, other.error_message());
}

class TenantsTest : public testing::Test {
 protected:
  TenantsTest() { server_.Serve(); }

  ServerOptions Options() {
    ServerOptions options = AskingFor(path_);
    means_ = MeanStore::Open({.folder = folder_ / "means", .companions = folder_ / "companions"}).value();
    options.means = means_;
    options.jobs = JobStore::Open({.folder = folder_ / "jobs"}).value();
    return options;
  }

  TestFolder folder_;
  const std::string path_ = testing::TempDir() + "tenants.json";
  const std::string red_token_ = AddToken(path_, "red", {Scope::kScan, Scope::kJob}),
                    red_admin_ = AddToken(path_, "red", {Scope::kAdmin}),
                    blue_token_ = AddToken(path_, "blue", {Scope::kAdmin});
  std::shared_ptr<MeanStore> means_;
  TestServer server_{Options()};
  const std::unique_ptr<Stub> red_ = StubWith(server_, red_token_), red_too_ = StubWith(server_, red_admin_),
                              blue_ = StubWith(server_, blue_token_);
};

TEST_F(TenantsTest, AJobIsItsTenantsWhateverTheToken) {
  pb::Job job;
  const grpc::Status status = SubmitJob(*red_, ScanRequest("Berlin is"), job);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_THAT(JobIds(*red_), ElementsAre(job.id()));
  EXPECT_THAT(JobIds(*red_too_), ElementsAre(job.id()));
  EXPECT_TRUE(StreamJob(*red_too_, job.id()).ok());
}

TEST_F(TenantsTest, AnothersJobIsNotThere) {
  pb::Job job;
  ASSERT_TRUE(SubmitJob(*red_, ScanRequest("Berlin is"), job).ok());
  EXPECT_THAT(JobIds(*blue_), IsEmpty());
  for (const auto& call : {&GetJob, &CancelJob, &DeleteJob, &StreamJob}) {
    ExpectAlike(call(*blue_, job.id()), call(*blue_, kNoSuchJob), job.id(), kNoSuchJob);
  }
  EXPECT_TRUE(GetJob(*red_, job.id()).ok()) << "and nobody deleted it";
}

// The id of a request is its tenant's too: it neither finds nor refuses another's.
TEST_F(TenantsTest, RequestIdsOfTenantsDoNotMeet) {
  constexpr char kRequestId[] = "5d4ae9a0-5b1c-4c6e-9d8e-0f3a52a1c001";
  pb::Job red, blue;
  ASSERT_TRUE(SubmitJob(*red_, ScanRequest("Berlin is"), red, kRequestId).ok());
  const grpc::Status status = SubmitJob(*blue_, ScanRequest("Paris is"), blue, kRequestId);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_NE(red.id(), blue.id());
}

TEST_F(TenantsTest, ALibraryIsItsTenants) {
  const ComputeResult made = Compute(*red_, MeansRequest({{1, 2, 3}}));
  ASSERT_TRUE(made.status.ok()) << made.status.error_message();
  const std::string id = made.libraries.at(0).id();
  EXPECT_THAT(LibraryIds(*red_), ElementsAre(id));
  EXPECT_THAT(LibraryIds(*red_too_), ElementsAre(id));
  EXPECT_THAT(LibraryIds(*blue_), IsEmpty());
  const std::string none(32, '0');
  ExpectAlike(Export(*blue_, id).status, Export(*blue_, none).status, id, none);
  ExpectAlike(Delete(*blue_, id), Delete(*blue_, none), id, none);
  // A scan, its explanation and a job name the field, and say the same of both.
  for (const auto& call : {ScanStatus, ExplainStatus, JobStatus}) {
    std::vector<std::string> texts;
    for (const std::string& library : {id, none}) {
      pb::AblateRequest request = ScanRequest("Berlin is");
      request.add_replacements()->mutable_mean()->set_library(library);
      const grpc::Status status = call(*blue_, request);
      EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION) << status.error_message();
      std::string text = status.error_message();
      if (const size_t at = text.find(library); at != std::string::npos) text.replace(at, library.size(), "ID");
      texts.push_back(text);
    }
    EXPECT_EQ(texts[0], texts[1]);
  }
  pb::AblateRequest own = AnsweredPrompts(1, [](int) { return std::vector<int32_t>{1, 2, 3}; });
  own.add_replacements()->mutable_mean()->set_library(id);
  EXPECT_TRUE(ExplainStatus(*red_, own).ok()) << ExplainStatus(*red_, own).error_message();
  EXPECT_TRUE(Delete(*red_, id).ok());
}

// Its content makes its id: the same library of two tenants is two, and deleting one leaves the other.
TEST_F(TenantsTest, TheSameLibraryOfTwoTenantsIsTwo) {
  const std::string id = Compute(*red_, MeansRequest({{1, 2, 3}})).libraries.at(0).id();
  EXPECT_EQ(Compute(*blue_, MeansRequest({{1, 2, 3}})).libraries.at(0).id(), id);
  EXPECT_TRUE(Delete(*blue_, id).ok());
  EXPECT_THAT(LibraryIds(*blue_), IsEmpty());
  const FileResult file = Export(*red_, id);
  ASSERT_TRUE(file.status.ok()) << file.status.error_message();
  const ImportResult imported = Import(*blue_, file.bytes);
  ASSERT_TRUE(imported.status.ok()) << imported.status.error_message();
  EXPECT_THAT(LibraryIds(*blue_), ElementsAre(id));
}

// What was there before tokens is nobody's; what came with the model is everybody's.
TEST_F(TenantsTest, TheModelsOwnLibrariesAreEverybodys) {
  ASSERT_TRUE(means_->Put(std::make_shared<const MeanLibrary>(MakeLibrary("before tokens"))).ok());
  const auto companions = MeanStore::Open(folder_ / "companions").value();
  const std::string id = companions->Put(std::make_shared<const MeanLibrary>(MakeLibrary("with the model")))->id();
  EXPECT_THAT(LibraryIds(*red_), ElementsAre(id));
  EXPECT_THAT(LibraryIds(*blue_), ElementsAre(id));
}

}  // namespace
}  // namespace ablate
