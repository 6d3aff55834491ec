#include "server/auth/token_book.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/errors.h"
#include "tests/server/auth/token_server.h"

namespace ablate {
namespace {

using ::testing::HasSubstr;

class TokenBookTest : public testing::Test {
 protected:
  absl::Status Check(const std::string& token, Scope needed = Scope::kScan) {
    return book_->Check(token, needed, absl::Now()).status();
  }
  void Remove(const std::string& token) {
    const absl::Status changed = ChangeTokenFile(path_, [&](TokenRecords& records) {
      std::erase_if(records, [&](const TokenRecord& record) { return record.id == ParseToken(token)->id; });
      return absl::OkStatus();
    });
    ASSERT_TRUE(changed.ok()) << changed;
  }

  const std::string path_ = testing::TempDir() + "book.json";
  const std::string token_ = AddToken(path_, "lab", {Scope::kScan});
  const std::unique_ptr<TokenBook> book_ = TokenBook::Open(path_, absl::ZeroDuration()).value();
};

TEST_F(TokenBookTest, TellsWhoseATokenIs) {
  const auto record = book_->Check(token_, Scope::kScan, absl::Now());
  ASSERT_TRUE(record.ok()) << record.status();
  EXPECT_EQ(record->tenant, "lab");
}

// Nobody learns which ids there are.
TEST_F(TokenBookTest, AnUnknownTokenAWrongSecretAndNoTokenAtAllAreOneAnswer) {
  const std::string other = AddToken(testing::TempDir() + "other.json", "lab", {Scope::kScan});
  std::string wrong = token_;
  wrong.back() = wrong.back() == 'A' ? 'B' : 'A';
  const absl::Status unknown = Check(other);
  EXPECT_EQ(unknown.code(), absl::StatusCode::kUnauthenticated);
  EXPECT_EQ(ErrorReason(unknown), "TOKEN_INVALID");
  EXPECT_EQ(Check(wrong), unknown);
  EXPECT_EQ(Check("nonsense"), unknown);
  EXPECT_EQ(Check(""), unknown);
  EXPECT_EQ(Check(wrong, Scope::kJob), unknown) << "scopes are told to who may know";
}

TEST_F(TokenBookTest, AnExpiredTokenIsToldToItsOwnerOnly) {
  std::string expired = AddToken(path_, "lab", {Scope::kScan}, absl::Now() - absl::Seconds(1));
  EXPECT_EQ(ErrorReason(Check(expired)), "TOKEN_EXPIRED");
  expired.back() = expired.back() == 'A' ? 'B' : 'A';
  EXPECT_EQ(ErrorReason(Check(expired)), "TOKEN_INVALID");
}

TEST_F(TokenBookTest, NamesTheScopeThatIsLacking) {
  const absl::Status status = Check(token_, Scope::kJob);
  EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(status.message(), HasSubstr("lacks the scope `job`"));
}

TEST_F(TokenBookTest, SeesWhatIsAddedAndRevoked) {
  const std::string later = AddToken(path_, "lab", {Scope::kScan});
  EXPECT_TRUE(Check(later).ok());
  Remove(token_);
  EXPECT_EQ(ErrorReason(Check(token_)), "TOKEN_INVALID");
  EXPECT_TRUE(Check(later).ok());
}

TEST_F(TokenBookTest, LooksAtTheFileNoOftenerThanItIsTold) {
  const auto slow = TokenBook::Open(path_, absl::Seconds(1)).value();
  const absl::Time now = absl::Now();
  Remove(token_);
  EXPECT_TRUE(slow->Check(token_, Scope::kScan, now).ok());
  EXPECT_FALSE(slow->Check(token_, Scope::kScan, now + absl::Seconds(1)).ok());
}

// Whom somebody wanted to shut out must not stay in.
TEST_F(TokenBookTest, AFileThatCannotBeReadLetsNobodyInUntilItIsRight) {
  std::ofstream(path_) << "{";
  EXPECT_EQ(ErrorReason(Check(token_)), "TOKENS_UNREADABLE");
  EXPECT_EQ(Check(token_).code(), absl::StatusCode::kUnavailable);
  unlink(path_.c_str());
  EXPECT_EQ(ErrorReason(Check(token_)), "TOKENS_UNREADABLE");
  const std::string again = AddToken(path_, "lab", {Scope::kScan});
  EXPECT_TRUE(Check(again).ok());
  EXPECT_EQ(ErrorReason(Check(token_)), "TOKEN_INVALID");
}

// Or who may write to it would decide who may call.
TEST_F(TokenBookTest, AFileThatOthersMayWriteToLetsNobodyInUntilItIsClosed) {
  for (const mode_t mode : {0660, 0602}) {
    ASSERT_EQ(chmod(path_.c_str(), mode), 0);
    EXPECT_EQ(ErrorReason(Check(token_)), "TOKENS_UNREADABLE");
    const absl::Status refused = TokenBook::Open(path_).status();
    EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(refused.message(), HasSubstr("is not trusted: other users of this machine may change it (mode 06"));
    ASSERT_EQ(chmod(path_.c_str(), 0640), 0);
    EXPECT_TRUE(Check(token_).ok());
  }
}

// What was written in place and given its old time back.
TEST_F(TokenBookTest, SeesAChangeThatLeavesSizeAndTimeAsTheyWere) {
  struct stat before = {};
  ASSERT_EQ(stat(path_.c_str(), &before), 0);
  std::fstream file(path_, std::ios::in | std::ios::out);
  std::string text(static_cast<size_t>(before.st_size), ' ');
  file.read(text.data(), before.st_size);
  const std::string id = ParseToken(token_)->id;
  text.replace(text.find(id), id.size(), std::string(id.size(), id[0] == '0' ? '1' : '0'));
  file.seekp(0);
  file << text << std::flush;
  const timespec times[] = {before.st_atim, before.st_mtim};
  ASSERT_EQ(utimensat(AT_FDCWD, path_.c_str(), times, 0), 0);
  EXPECT_EQ(ErrorReason(Check(token_)), "TOKEN_INVALID");
}

TEST_F(TokenBookTest, AMissingFileNamesTheWayOut) {
  const auto book = TokenBook::Open("/no/such/tokens.json");
  EXPECT_THAT(book.status().message(), HasSubstr("ablate token create --file /no/such/tokens.json"));
}

}  // namespace
}  // namespace ablate
