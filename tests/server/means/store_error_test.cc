// What clients are told of a store that fails, and of libraries that are not there.
#include "server/means/store_error.h"

#include <filesystem>
#include <memory>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/log_capture.h"
#include "tests/server/means/make_library.h"
#include "tests/server/means/means_calls.h"
#include "tests/server/test_server.h"

namespace ablate {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class StoreErrorTest : public testing::Test {
 protected:
  StoreErrorTest() { server_.Serve(); }
  ServerOptions WithMeans() const {
    ServerOptions options;
    options.means = store_;
    return options;
  }

  const LogCapture log_;
  const TestFolder folder_;
  const std::shared_ptr<MeanStore> store_ = MeanStore::Open(folder_.path()).value();
  TestServer server_{WithMeans()};
};

// It was cut within a character, and the details of the error could not be read.
TEST_F(StoreErrorTest, AnIdOfAnyTextIsQuoted) {
  const grpc::Status cut = Export(server_.stub(), std::string(79, 'a') + "\xC3\xA9").status;
  EXPECT_EQ(DetailsOf(cut).info.reason(), "MEAN_LIBRARY_NOT_FOUND");
  EXPECT_THAT(cut.error_message(), HasSubstr("\"" + std::string(79, 'a') + " ...\""));
  EXPECT_THAT(Export(server_.stub(), "a\nb").status.error_message(), HasSubstr("\"a\\nb\""));
}

TEST_F(StoreErrorTest, TheServersPathsGoToItsLogOnly) {
  const std::string id = store_->Put(std::make_shared<const MeanLibrary>(MakeLibrary()))->id();
  const std::string path = folder_ / (id + ".safetensors");
  WriteFile(path, "damaged");
  const grpc::Status damaged = Export(server_.stub(), id).status;
  EXPECT_THAT(damaged.error_message(), HasSubstr("the mean library `" + id + "` is damaged: the file"));
  fs::remove(path);
  fs::create_directory(path);
  const grpc::Status unreadable = Export(server_.stub(), id).status;
  EXPECT_EQ(unreadable.error_message(), "the mean library `" + id + "` cannot be read");
  EXPECT_EQ(DetailsOf(unreadable).info.reason(), "MEAN_STORE_FAILED");
  fs::remove_all(folder_.path().string());
  WriteFile(folder_.path().string(), "no folder");
  const grpc::Status unusable = List(server_.stub()).status;
  EXPECT_EQ(DetailsOf(unusable).info.reason(), "MEANS_NOT_KEPT");
  EXPECT_THAT(unusable.error_message(), HasSubstr("the folder of mean libraries cannot be read: "));
  for (const grpc::Status& status : {damaged, unreadable, unusable}) {
    EXPECT_THAT(status.error_message(), testing::Not(HasSubstr(folder_.path().string())));
    EXPECT_THAT(status.error_details(), testing::Not(HasSubstr(folder_.path().string())));
  }
  EXPECT_THAT(log_.LinesWith("warning: the mean library `" + id + "` is damaged in " + path), testing::SizeIs(1));
  EXPECT_THAT(log_.LinesWith("warning: the folder of mean libraries " + folder_.path().string()), testing::SizeIs(1));
}

}  // namespace
}  // namespace ablate
