// Lists, deletes, exports and imports.
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/means/mean_file.h"
#include "server/means/mean_store.h"
#include "tests/server/means/make_library.h"
#include "tests/server/means/means_calls.h"
#include "tests/server/test_server.h"

namespace ablate {
namespace {

namespace pb = ::ablation::v1;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string FileOf(const MeanLibrary& library) {
  const auto file = MeanFile::Make(std::make_shared<const MeanLibrary>(library)).value();
  return file.Read(0, file.size_bytes());
}

class MeansServiceTest : public testing::Test {
 protected:
  explicit MeansServiceTest(ServerOptions options = {}) : server_(WithMeans(std::move(options))) {}

  ServerOptions WithMeans(ServerOptions options) {
    store_ = MeanStore::Open(folder_.path()).value();
    options.means = store_;
    return options;
  }

  std::string Put(const std::string& data, const std::string& weights = "3e1f") {
    return store_->Put(std::make_shared<const MeanLibrary>(MakeLibrary(data, weights)))->id();
  }

  TestFolder folder_;
  std::shared_ptr<MeanStore> store_;
  TestServer server_;
};

std::vector<std::string> Ids(const ListResult& result) {
  EXPECT_TRUE(result.status.ok()) << result.status.error_message();
  std::vector<std::string> ids;
  for (const auto& library : result.response.libraries()) ids.push_back(library.id());
  return ids;
}

TEST_F(MeansServiceTest, ListsThisModelsLibrariesPageByPage) {
  server_.Serve();
  std::vector<std::string> ids;
  for (const char* data : {"a", "b", "c", "d", "e"}) ids.push_back(Put(data));
  std::sort(ids.begin(), ids.end());
  Put("a", "another model");
  EXPECT_EQ(Ids(List(server_.stub())), ids);
  const ListResult first = List(server_.stub(), 2);
  EXPECT_THAT(Ids(first), ElementsAre(ids[0], ids[1]));
  const ListResult second = List(server_.stub(), 2, first.response.next_page_token());
  EXPECT_THAT(Ids(second), ElementsAre(ids[2], ids[3]));
  const ListResult third = List(server_.stub(), 2, second.response.next_page_token());
  EXPECT_THAT(Ids(third), ElementsAre(ids[4]));
  EXPECT_EQ(third.response.next_page_token(), "");
  // A last page that is full knows that it is the last.
  EXPECT_EQ(List(server_.stub(), 5).response.next_page_token(), "");
}

// Such a page had more bytes than a client takes in one message.
TEST_F(MeansServiceTest, APageOfLongDescriptionsIsShorter) {
  server_.Serve();
  std::vector<std::string> ids;
  for (const char* data : {"a", "b", "c", "d", "e"}) {
    MeanLibrary library = MakeLibrary(data);
    library.info.mutable_options()->set_group_by_template(true);
    library.info.set_templates(0, std::string(900'000, 't'));
    ids.push_back(store_->Put(std::make_shared<const MeanLibrary>(WithId(library)))->id());
  }
  std::sort(ids.begin(), ids.end());
  std::vector<std::string> seen;
  std::string token;
  do {
    const ListResult page = List(server_.stub(), 0, token);
    EXPECT_LE(page.response.ByteSizeLong(), size_t{2} << 20);
    for (const std::string& id : Ids(page)) seen.push_back(id);
    token = page.response.next_page_token();
  } while (!token.empty() && seen.size() < 10);
  EXPECT_EQ(seen, ids);
}

TEST_F(MeansServiceTest, ADescriptionThatNoPageHoldsIsNotImported) {
  server_.Serve();
  MeanLibrary library = MakeLibrary();
  library.info.set_display_name(std::string(size_t{3} << 20, 'n'));
  const ImportResult result = Import(server_.stub(), FileOf(library), size_t{1} << 20);
  EXPECT_EQ(result.status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(result.status.error_message(), HasSubstr("expected at most 2097152"));
  EXPECT_THAT(*store_->List(), testing::IsEmpty());
}

TEST_F(MeansServiceTest, AListsFieldsAreChecked) {
  server_.Serve();
  EXPECT_THAT(List(server_.stub(), 1001).status.error_message(), HasSubstr("page_size: got 1001, expected 1 .. 1000"));
  EXPECT_THAT(List(server_.stub(), -1).status.error_message(), HasSubstr("page_size: got -1"));
  EXPECT_THAT(List(server_.stub(), 1, "../x").status.error_message(), HasSubstr("page_token: got \"../x\""));
}

TEST_F(MeansServiceTest, DeletesOnce) {
  server_.Serve();
  const std::string id = Put("a");
  EXPECT_TRUE(Delete(server_.stub(), id).ok());
  const grpc::Status again = Delete(server_.stub(), id);
  EXPECT_EQ(again.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(DetailsOf(again).info.reason(), "MEAN_LIBRARY_NOT_FOUND");
  EXPECT_THAT(Ids(List(server_.stub())), ElementsAre());
}

TEST_F(MeansServiceTest, WhatIsExportedIsImportedUnderTheSameId) {
  server_.Serve();
  MeanLibrary library = MakeLibrary();
  // Several messages: some 900 KB.
  library.n_layers = FakeEngine::kLayers;
  library.info.set_n_positions(4600);
  library.info.set_n_tokens(4600);
  library.count.assign(4600, 1);
  library.mean.assign(size_t{FakeEngine::kLayers} * FakeEngine::kHeads * 4600 * FakeEngine::kHeadSize, 0.25);
  library = WithId(library);
  const std::string id = store_->Put(std::make_shared<const MeanLibrary>(library))->id();
  const FileResult file = Export(server_.stub(), id);
  ASSERT_TRUE(file.status.ok()) << file.status.error_message();
  EXPECT_EQ(file.bytes, ReadFile(folder_ / (id + ".safetensors"))) << "the same bytes";
  EXPECT_LE(file.largest_piece, size_t{1} << 20) << "what an import takes";
  ASSERT_TRUE(Delete(server_.stub(), id).ok());
  for (const size_t piece : {size_t{1} << 20, size_t{100'000}}) {
    const ImportResult imported = Import(server_.stub(), file.bytes, piece);
    ASSERT_TRUE(imported.status.ok()) << imported.status.error_message();
    EXPECT_EQ(imported.library.id(), id);
    EXPECT_EQ(imported.library.size_bytes(), static_cast<int64_t>(file.bytes.size()));
    EXPECT_EQ(imported.library.created_unix_ms(), library.info.created_unix_ms()) << "provenance stays";
  }
  EXPECT_EQ(Export(server_.stub(), id).bytes, file.bytes);
}

TEST_F(MeansServiceTest, AnExportOfNothingIsNotFound) {
  server_.Serve();
  for (const std::string& id : {std::string(32, 'a'), std::string("../secret"), std::string()}) {
    const FileResult result = Export(server_.stub(), id);
    EXPECT_EQ(result.status.error_code(), grpc::StatusCode::NOT_FOUND) << id;
    EXPECT_EQ(result.bytes, "");
  }
  const std::string id = Put("a");
  WriteFile(folder_ / (id + ".safetensors"), "damaged");
  const FileResult damaged = Export(server_.stub(), id);
  EXPECT_EQ(damaged.status.error_code(), grpc::StatusCode::DATA_LOSS);
  EXPECT_EQ(DetailsOf(damaged.status).info.reason(), "MEAN_LIBRARY_DAMAGED");
}

TEST_F(MeansServiceTest, DamagedFilesAreNotImported) {
  server_.Serve();
  const std::string good = FileOf(MakeLibrary());
  std::string bit = good;
  bit[good.size() - 100] ^= 4;
  for (const std::string& file : {std::string(), std::string("x"), good.substr(0, good.size() - 1), good + "x", bit}) {
    const ImportResult result = Import(server_.stub(), file);
    EXPECT_EQ(result.status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_THAT(result.status.error_message(), testing::StartsWith("data: the file: "));
    EXPECT_EQ(DetailsOf(result.status).info.reason(), "MEAN_LIBRARY_DAMAGED");
  }
  EXPECT_THAT(*store_->List(), testing::IsEmpty());
  EXPECT_TRUE(Import(server_.stub(), good).status.ok());
}

TEST_F(MeansServiceTest, OnlyThisModelsLibrariesAreImported) {
  server_.Serve();
  const ImportResult other = Import(server_.stub(), FileOf(MakeLibrary("d0", "another model")));
  EXPECT_EQ(other.status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(DetailsOf(other.status).info.reason(), "OTHER_MODEL");
  EXPECT_THAT(other.status.error_message(), HasSubstr("`another model`, expected this server's, `3e1f`"));
  // The right name on the wrong arrays.
  MeanLibrary shape = MakeLibrary();
  shape.n_heads = 4;
  shape.d_head = 3;
  const ImportResult wrong = Import(server_.stub(), FileOf(shape));
  EXPECT_EQ(wrong.status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(wrong.status.error_message(), HasSubstr("2 layers x 4 heads x 3, expected the model's 2 x 3 x 4"));
  EXPECT_THAT(*store_->List(), testing::IsEmpty());
}

TEST_F(MeansServiceTest, PiecesOfAnImportAreBounded) {
  server_.Serve();
  const ImportResult result = Import(server_.stub(), std::string((1 << 20) + 1, 'x'), size_t{2} << 20);
  EXPECT_EQ(result.status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(result.status.error_message(), HasSubstr("data: got 1048577 bytes in one message"));
}

class ImpatientMeansTest : public MeansServiceTest {
 protected:
  ImpatientMeansTest() : MeansServiceTest({.max_write_stall = absl::Milliseconds(200)}) {}
};

// Or it would keep its place, and its memory, for ever.
TEST_F(ImpatientMeansTest, AClientThatSendsNothingMoreIsCutOff) {
  server_.Serve();
  grpc::ClientContext context;
  pb::ImportMeanLibraryResponse response;
  const auto writer = server_.stub().ImportMeanLibrary(&context, &response);
  pb::ImportMeanLibraryRequest request;
  request.set_data("half a file");
  ASSERT_TRUE(writer->Write(request));
  const grpc::Status status = writer->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::ABORTED);
  EXPECT_THAT(status.error_message(), HasSubstr("--max-write-stall"));
  EXPECT_EQ(server_.server().Drain(absl::Seconds(5)), 0) << "the call is over";
}

std::vector<grpc::Status> EveryCall(pb::AblationService::Stub& stub) {
  const std::string id(32, 'a');
  return {Compute(stub, MeansRequest({{1, 2}})).status, List(stub).status, Delete(stub, id), Export(stub, id).status,
          Import(stub, "x").status};
}

TEST(MeansServiceWithoutStoreTest, EveryCallNamesTheOption) {
  TestServer server;
  server.Serve();
  for (const grpc::Status& status : EveryCall(server.stub())) {
    EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
    EXPECT_THAT(status.error_message(), HasSubstr("--means-dir"));
    EXPECT_EQ(DetailsOf(status).info.reason(), "MEANS_NOT_KEPT");
  }
}

TEST(MeansServiceWithoutStoreTest, EveryCallIsUnavailableWhileLoading) {
  TestServer server;
  for (const grpc::Status& status : EveryCall(server.stub())) {
    EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
    EXPECT_EQ(DetailsOf(status).info.reason(), "MODEL_LOADING");
  }
}

// The model's own libraries are there, but nothing can be added.
TEST(MeansServiceWithoutStoreTest, CompanionsAreReadOnly) {
  const TestFolder folder;
  const std::string id =
      MeanStore::Open(folder / "means").value()->Put(std::make_shared<const MeanLibrary>(MakeLibrary()))->id();
  ServerOptions options;
  options.means = MeanStore::Open(MeanStoreOptions{.companions = folder / "means"}).value();
  TestServer server(options);
  server.Serve();
  EXPECT_THAT(Ids(List(server.stub())), ElementsAre(id));
  const FileResult file = Export(server.stub(), id);
  EXPECT_TRUE(file.status.ok()) << file.status.error_message();
  for (const grpc::Status& status : {Compute(server.stub(), MeansRequest({{1, 2}})).status,
                                     Import(server.stub(), file.bytes).status, Delete(server.stub(), id)}) {
    EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  }
  EXPECT_EQ(DetailsOf(Delete(server.stub(), id)).info.reason(), "MEAN_LIBRARY_OF_MODEL");
}

}  // namespace
}  // namespace ablate
