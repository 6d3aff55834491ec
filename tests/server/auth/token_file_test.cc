#include "server/auth/token_file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ablate {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

std::string FileName(const std::string& name) {
  return testing::TempDir() + name;
}

std::string TextOf(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

NewToken Issue(const std::string& tenant = "lab") {
  return IssueToken({.tenant = tenant,
                     .scopes = {Scope::kScan, Scope::kJob},
                     .created = absl::FromUnixSeconds(1'000'000),
                     .expires = absl::FromUnixSeconds(2'000'000)})
      .value();
}

absl::Status Add(const std::string& path, const TokenRecord& record) {
  return ChangeTokenFile(path, [&](TokenRecords& records) {
    records.push_back(record);
    return absl::OkStatus();
  });
}

TEST(TokenFileTest, GivesBackWhatWasPutAndNoSecret) {
  const std::string path = FileName("tokens.json");
  const NewToken token = Issue();
  ASSERT_TRUE(Add(path, token.record).ok());
  const auto records = ReadTokenFile(path);
  ASSERT_TRUE(records.ok()) << records.status();
  ASSERT_THAT(*records, SizeIs(1));
  EXPECT_EQ(records->front().id, token.record.id);
  EXPECT_EQ(records->front().tenant, "lab");
  EXPECT_THAT(records->front().scopes, ElementsAre(Scope::kScan, Scope::kJob));
  EXPECT_EQ(records->front().secret_sha256, token.record.secret_sha256);
  EXPECT_EQ(records->front().created, token.record.created);
  EXPECT_EQ(records->front().expires, token.record.expires);
  EXPECT_THAT(TextOf(path), Not(HasSubstr(ParseToken(token.text)->secret)));
  struct stat facts = {};
  ASSERT_EQ(stat(path.c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 07777, 0600U);
}

TEST(TokenFileTest, ATokenWithoutEndHasNone) {
  TokenRecord record = Issue().record;
  record.expires = absl::InfiniteFuture();
  const std::string text = FormatTokens({record});
  EXPECT_THAT(text, Not(HasSubstr("expires")));
  EXPECT_EQ(ParseTokens(text, "f")->front().expires, absl::InfiniteFuture());
}

TEST(TokenFileTest, KeepsPermissionsAndLinks) {
  const std::string path = FileName("kept.json"), link = FileName("link.json");
  ASSERT_TRUE(Add(path, Issue().record).ok());
  chmod(path.c_str(), 0640);
  ASSERT_EQ(symlink(path.c_str(), link.c_str()), 0);
  ASSERT_TRUE(Add(link, Issue().record).ok());
  EXPECT_THAT(*ReadTokenFile(path), SizeIs(2));
  struct stat facts = {};
  ASSERT_EQ(lstat(link.c_str(), &facts), 0);
  EXPECT_TRUE(S_ISLNK(facts.st_mode));
  ASSERT_EQ(stat(path.c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 07777, 0640U);
}

TEST(TokenFileTest, ARefusedChangeLeavesTheFileAlone) {
  const std::string path = FileName("refused.json");
  ASSERT_TRUE(Add(path, Issue().record).ok());
  const std::string before = TextOf(path);
  const absl::Status status = ChangeTokenFile(path, [](TokenRecords& records) {
    records.clear();
    return absl::NotFoundError("no");
  });
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(TextOf(path), before);
}

// A file that somebody broke by hand must not be replaced by an empty one.
TEST(TokenFileTest, ADamagedFileIsNotOverwritten) {
  const std::string path = FileName("damaged.json");
  std::ofstream(path) << "{\"version\": 1, \"tok";
  EXPECT_EQ(Add(path, Issue().record).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(TextOf(path), "{\"version\": 1, \"tok");
}

TEST(TokenFileTest, NoChangeIsLostWhereManyComeAtOnce) {
  const std::string path = FileName("many.json");
  std::vector<std::thread> threads;
  threads.reserve(8);
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&path] {
      const absl::Status status = Add(path, Issue().record);
      EXPECT_TRUE(status.ok()) << status;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(*ReadTokenFile(path), SizeIs(8));
}

TEST(TokenFileTest, EveryFaultIsNamed) {
  const std::string good = FormatTokens({Issue().record});
  ASSERT_TRUE(ParseTokens(good, "f").ok());
  const std::string id = ParseTokens(good, "f")->front().id;
  struct Case {
    std::string from, to;
    const char* message;
  };
  for (const Case& c : std::vector<Case>{
           {"\"version\": 1", "\"version\": 2", "expected {\"version\": 1"},
           {"\"tokens\"", "\"token\"", "expected {\"version\": 1"},
           {"\"lab\"", "\"../lab\"", "tokens[0]: tenant: expected 1 .. 32 of a-z"},
           {"\"lab\"", "7", "tokens[0]: `tenant`: expected a text"},
           {id, "x" + id.substr(1), "tokens[0]: id: expected 16"},
           {"\"job\"", "\"jobs\"", "tokens[0]: scopes: got the scope `jobs`"},
           {"\"secret_sha256\": \"", "\"secret_sha256\": \"0", "secret_sha256: expected 64"},
           {"\"secret_sha256\"", "\"secret\"", "unknown name `secret`"},
           {"\"created\"", "\"expires_at\"", "unknown name `expires_at`"},
           {"1970-01-12", "1970-13-12", "created: got `1970-13-12T13:46:40+00:00`"},
       }) {
    const std::string bad = absl::StrReplaceAll(good, {{c.from, c.to}});
    ASSERT_NE(bad, good) << c.from;
    const auto parsed = ParseTokens(bad, "f");
    EXPECT_THAT(parsed.status().message(), HasSubstr(c.message)) << bad;
    EXPECT_THAT(parsed.status().message(), HasSubstr("f: "));
  }
  const TokenRecord twice = Issue().record;
  EXPECT_THAT(ParseTokens(FormatTokens({twice, twice}), "f").status().message(),
              HasSubstr("tokens[1]: its id is that of another"));
}

TEST(TokenFileTest, NoFileIsNotFound) {
  EXPECT_EQ(ReadTokenFile(FileName("none.json")).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(ReadTokenFile(testing::TempDir()).status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST(TokenFileTest, AFileThatCannotBeReadSaysWhy) {
  const std::string loop = FileName("loop.json");
  ASSERT_EQ(symlink(loop.c_str(), loop.c_str()), 0);
  const absl::Status looping = ReadTokenFile(loop).status();
  EXPECT_EQ(looping.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(looping.message(), HasSubstr("cannot be read: Too many levels of symbolic links"));
  // A pipe gives its bytes once, and a server comes back for more.
  const std::string pipe = FileName("pipe.json");
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_THAT(ReadTokenFile(pipe).status().message(), HasSubstr("cannot be read: it is no regular file"));
}

TEST(TokenFileTest, AFileThatMayNotBeReadNamesTheWayOut) {
  const std::string path = FileName("private.json");
  ASSERT_TRUE(Add(path, Issue().record).ok());
  ASSERT_EQ(chmod(path.c_str(), 0), 0);
  // Root may read whatever there is.
  constexpr uid_t kNobody = 65534;
  const uid_t me = geteuid();
  if (me == 0) {
    ASSERT_EQ(seteuid(kNobody), 0);
  }
  const absl::Status status = ReadTokenFile(path).status();
  const uid_t reader = geteuid();
  if (me == 0) {
    ASSERT_EQ(seteuid(me), 0);
  }
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(status.message(), HasSubstr("Permission denied: the user with the id " + std::to_string(reader)));
  EXPECT_THAT(status.message(), HasSubstr("chown"));
}

}  // namespace
}  // namespace ablate
