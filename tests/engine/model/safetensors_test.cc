// The format's parser against headers that lie, and against random damage.
#include "engine/model/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <iostream>
#include <random>

#include "weight_files.h"

namespace ablate {
namespace {

using ::ablate::testing::MakeTensor;
using ::ablate::testing::SafetensorsFile;
using ::ablate::testing::WithHeader;
using ::testing::HasSubstr;
using ::testing::StartsWith;

absl::StatusOr<std::vector<TensorView>> Parse(const std::string& file) {
  // A copy of exactly this size, so that the address sanitizer sees a read behind its end.
  const std::vector<uint8_t> bytes(file.begin(), file.end());
  absl::StatusOr<std::vector<TensorView>> parsed = ParseSafetensors(bytes, "m.safetensors");
  if (parsed.ok()) {
    for (const TensorView& tensor : (*parsed)) {
      EXPECT_GE(tensor.bytes.data(), bytes.data());
      EXPECT_LE(tensor.bytes.data() + tensor.bytes.size(), bytes.data() + bytes.size());
      EXPECT_EQ(static_cast<int64_t>(tensor.bytes.size()), tensor.numel() * SizeInBytes(tensor.dtype));
    }
  }
  return parsed;
}

std::string WithLength(uint64_t length, std::string_view rest) {
  std::string file(reinterpret_cast<const char*>(&length), sizeof length);
  return file.append(rest);
}

std::string Repeat(std::string_view text, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) all.append(text);
  return all;
}

// A file with the one tensor `a` of which the header says `entry`, and `n` bytes of data.
std::string OneTensor(const std::string& entry, size_t n = 8) {
  return WithHeader(R"({"a":)" + entry + "}", std::string(n, '\0'));
}

std::string TwoTensors(const std::string& a, const std::string& b, size_t n) {
  return WithHeader(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":)" + a +
                        R"(},"b":{"dtype":"F32","shape":[2],"data_offsets":)" + b + "}}",
                    std::string(n, '\0'));
}

struct Damage {
  std::string kind;
  std::string file;
  std::string message;
};

std::vector<Damage> Table() {
  const std::string f32x2 = R"({"dtype":"F32","shape":[2],"data_offsets":[0,8]})";
  return {
      {"empty file", "", "the file has 0 bytes, expected at least 8"},
      {"7 bytes", std::string(7, '\1'), "the file has 7 bytes, expected at least 8"},
      {"only a length", WithLength(64, ""), "length is 64, but only 0 bytes follow; the file is cut off"},
      {"length 0", WithLength(0, "{}"), "length is 0, expected 2 to 16777216 bytes"},
      {"length 1", WithLength(1, "{}"), "length is 1, expected 2 to"},
      {"length beyond the file", WithLength(3, "{}"), "length is 3, but only 2 bytes follow"},
      {"length over the limit", WithLength((16U << 20U) + 1, "{}"), "length is 16777217, expected 2 to 16777216"},
      {"length 2^63", WithLength(1ULL << 63U, "{}"), "length is 9223372036854775808, expected"},
      {"length 2^64 - 1", WithLength(~0ULL, "{}"), "length is 18446744073709551615, expected"},
      {"length 2^64 - 8, wraps to 0", WithLength(~0ULL - 7, "{}"), "length is 18446744073709551608, expected"},
      {"a pickle instead", "PK\3\4" + std::string(100, 'x'), "is this a safetensors file?"},
      {"header is not JSON", WithHeader("{hello", ""), "not valid JSON at byte 2"},
      {"header starts with a space", WithHeader(" {}", ""), "starts with ` `, expected `{`"},
      {"header starts with a byte order mark", WithHeader("\xEF\xBB\xBF{}", ""), "expected `{`"},
      {"header starts with a byte that is no character", WithHeader("\xFF{}", ""),
       "starts with `\\ufffd`, expected `{`"},
      {"header is an array", WithHeader("[1]", ""), "starts with `[`, expected `{`"},
      {"header cut inside a string", WithHeader(R"({"a)", ""), "not valid JSON"},
      {"header is not UTF-8", WithHeader("{\"\xFF\":1}", ""), "not valid JSON"},
      {"NUL byte behind the JSON", WithHeader(std::string("{}\0\0", 4), ""), "a NUL byte at byte 2"},
      {"text behind the JSON", WithHeader("{} {}", ""), "not valid JSON"},
      {"number out of range", OneTensor(R"({"dtype":"F32","shape":[1e999],"data_offsets":[0,8]})"), "not valid JSON"},
      {"a million open arrays", WithHeader(R"({"a":)" + Repeat("[", 1000000), ""), "nested deeper than 32 levels"},
      {"a million open objects", WithHeader(Repeat(R"({"a":)", 1000000), ""), "nested deeper than 32 levels"},
      {"a deep but closed array", WithHeader(R"({"a":)" + Repeat("[", 40) + Repeat("]", 40) + "}", ""),
       "nested deeper than 32 levels"},
      {"tensor named twice", WithHeader(R"({"a":)" + f32x2 + R"(,"a":)" + f32x2 + "}", std::string(8, '\0')),
       "key `a` appears twice"},
      {"tensor named twice, once escaped",
       WithHeader(R"({"a":)" + f32x2 + R"(,"\u0061":)" + f32x2 + "}", std::string(8, '\0')), "key `a` appears twice"},
      {"key twice in an entry", OneTensor(R"({"dtype":"F32","dtype":"F16","shape":[2],"data_offsets":[0,8]})"),
       "key `dtype` appears twice"},
      {"metadata is a number", WithHeader(R"({"__metadata__":1})", ""), "`__metadata__` is `1`, expected an object"},
      {"metadata holds a number", WithHeader(R"({"__metadata__":{"k":1}})", ""), "`k` is `1`, expected a string"},
      {"empty tensor name", WithHeader(R"({"":)" + f32x2 + "}", std::string(8, '\0')), "a tensor is named ``"},
      {"tensor name with control bytes", WithHeader(R"({"a\u001b[2J":)" + f32x2 + "}", std::string(8, '\0')),
       R"(a tensor is named `a\u001b[2J`)"},
      {"tensor name of 1000 bytes",
       WithHeader("{\"" + std::string(1000, 'n') + "\":" + f32x2 + "}", std::string(8, '\0')),
       "...` (1000 bytes), expected 1 to 256"},
      {"entry is null", OneTensor("null"), "tensor `a`: entry is `null`, expected an object"},
      {"entry with an unknown key", OneTensor(R"({"dtype":"F32","shape":[2],"data_offsets":[0,8],"x":1})"),
       "tensor `a`: unknown key `x`"},
      {"dtype missing", OneTensor(R"({"shape":[2],"data_offsets":[0,8]})"), "tensor `a`: `dtype` is missing"},
      {"dtype a number", OneTensor(R"({"dtype":32,"shape":[2],"data_offsets":[0,8]})"),
       "`dtype` is `32`, expected a string"},
      {"dtype unknown", OneTensor(R"({"dtype":"F33","shape":[2],"data_offsets":[0,8]})"),
       "`\"F33\"`, which is no known type"},
      {"dtype of another size", OneTensor(R"({"dtype":"F16","shape":[2],"data_offsets":[0,8]})"),
       "shape [2] of F16 needs 4 bytes, but `data_offsets` [0, 8] holds 8"},
      {"shape missing", OneTensor(R"({"dtype":"F32","data_offsets":[0,8]})"), "tensor `a`: `shape` is missing"},
      {"shape a number", OneTensor(R"({"dtype":"F32","shape":2,"data_offsets":[0,8]})"),
       "`shape` is `2`, expected an array"},
      {"shape negative", OneTensor(R"({"dtype":"F32","shape":[-2],"data_offsets":[0,8]})"),
       "`shape` holds `-2`, expected"},
      {"shape a fraction", OneTensor(R"({"dtype":"F32","shape":[2.0],"data_offsets":[0,8]})"),
       "`shape` holds `2.0`, expected"},
      {"shape a string", OneTensor(R"({"dtype":"F32","shape":["2"],"data_offsets":[0,8]})"), "`shape` holds `\"2\"`"},
      {"shape with 9 dimensions", OneTensor(R"({"dtype":"F32","shape":[2,1,1,1,1,1,1,1,1],"data_offsets":[0,8]})"),
       "expected an array of at most 8 sizes"},
      {"shape of 2^63", OneTensor(R"({"dtype":"F32","shape":[9223372036854775808],"data_offsets":[0,8]})"),
       "`shape` holds `9223372036854775808`, expected an integer from 0 to 2^63 - 1"},
      {"shape overflows", OneTensor(R"({"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8]})"),
       "needs more than 2^63 bytes"},
      {"shape wraps to the right size",
       OneTensor(R"({"dtype":"F32","shape":[4611686018427387906],"data_offsets":[0,8]})"),
       "needs more than 2^63 bytes"},
      {"overflow hidden by a zero",
       OneTensor(R"({"dtype":"F32","shape":[4294967296,4294967296,0],"data_offsets":[0,0]})"),
       "needs more than 2^63 bytes"},
      {"shape too large", OneTensor(R"({"dtype":"F32","shape":[3],"data_offsets":[0,8]})"),
       "shape [3] of F32 needs 12 bytes, but `data_offsets` [0, 8] holds 8"},
      {"offsets missing", OneTensor(R"({"dtype":"F32","shape":[2]})"), "`data_offsets` is missing"},
      {"offsets of one number", OneTensor(R"({"dtype":"F32","shape":[2],"data_offsets":[8]})"),
       "expected [begin, end]"},
      {"offsets negative", OneTensor(R"({"dtype":"F32","shape":[2],"data_offsets":[-8,0]})"), "expected [begin, end]"},
      {"offsets reversed", OneTensor(R"({"dtype":"F32","shape":[2],"data_offsets":[8,0]})"),
       "expected begin <= end <= 8"},
      {"offsets beyond the file", OneTensor(R"({"dtype":"F32","shape":[2],"data_offsets":[8,16]})"),
       "`data_offsets` is `[8,16]`, expected begin <= end <= 8"},
      {"offsets of 2^64 - 1", OneTensor(R"({"dtype":"F32","shape":[2],"data_offsets":[0,18446744073709551615]})"),
       "expected begin <= end <= 8"},
      {"offsets over 2^64", OneTensor(R"({"dtype":"F32","shape":[2],"data_offsets":[0,18446744073709551616]})"),
       "expected [begin, end]"},
      {"tensors overlap", TwoTensors("[0,8]", "[4,12]", 12),
       "`b`: begins at byte 4 of the data, expected 8, where `a` ends: tensors overlap"},
      {"tensors on the same bytes", TwoTensors("[0,8]", "[0,8]", 8), "tensors overlap"},
      {"a hole between tensors", TwoTensors("[0,8]", "[12,20]", 20),
       "`b`: begins at byte 12 of the data, expected 8, where `a` ends: there is a hole"},
      {"a hole at the front", TwoTensors("[4,12]", "[12,20]", 20), "`a`: begins at byte 4 of the data, expected 0"},
      {"bytes behind the last tensor", OneTensor(f32x2, 9), "the tensors end at byte 8 of the data, expected 9"},
      {"data cut by one byte", OneTensor(f32x2, 7), "expected begin <= end <= 7"},
      {"no data at all", OneTensor(f32x2, 0), "expected begin <= end <= 0"},
      {"data without tensors", WithHeader("{}", "xxxx"), "the tensors end at byte 0 of the data, expected 4"},
  };
}

TEST(Safetensors, DamagedFilesAreRefusedAndNamed) {
  for (const Damage& damage : Table()) {
    SCOPED_TRACE(damage.kind);
    const absl::Status status = Parse(damage.file).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    const std::string message(status.message());
    EXPECT_THAT(message, StartsWith("m.safetensors: "));
    EXPECT_THAT(message, HasSubstr(damage.message));
    EXPECT_LT(message.size(), 500U);
    std::cout << damage.kind << "\n    " << message << "\n";
  }
}

TEST(Safetensors, ValidFileIsReadInFull) {
  const std::string file = SafetensorsFile({{"a", MakeTensor({2, 3})},
                                            {"b", MakeTensor({3}, "BF16")},
                                            {"empty", MakeTensor({0, 4})},
                                            {"mask", MakeTensor({1, 1, 3, 3}, "BOOL")},
                                            {"scalar", MakeTensor({}, "F16")}});
  const std::vector<uint8_t> bytes(file.begin(), file.end());
  const auto parsed = ParseSafetensors(bytes, "m.safetensors");
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  ASSERT_EQ((*parsed).size(), 5U);
  const TensorView& a = (*parsed)[0];
  EXPECT_EQ(a.name, "a");
  EXPECT_EQ(a.file, "m.safetensors");
  EXPECT_EQ(a.dtype, Dtype::kF32);
  EXPECT_THAT(a.shape, ::testing::ElementsAre(2, 3));
  float values[6];
  ASSERT_TRUE(CopyAsFloat(a, values).ok());
  EXPECT_THAT(values, ::testing::ElementsAre(0.0F, 1 / 64.0F, 2 / 64.0F, 3 / 64.0F, 4 / 64.0F, 5 / 64.0F));
}

TEST(Safetensors, MetadataIsHandedOut) {
  const std::string file = WithHeader(R"({"__metadata__":{"maker":"us","empty":""}})", "");
  std::map<std::string, std::string> metadata = {{"left", "over"}};
  const std::vector<uint8_t> bytes(file.begin(), file.end());
  const auto parsed = ParseSafetensors(bytes, "m.safetensors", &metadata);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(metadata, (std::map<std::string, std::string>{{"empty", ""}, {"maker", "us"}}));
}

TEST(Safetensors, EveryTruncationIsRefused) {
  const std::string file = SafetensorsFile({{"a", MakeTensor({2, 3})}, {"b", MakeTensor({3}, "F16")}});
  ASSERT_TRUE(Parse(file).ok());
  for (size_t size = 0; size < file.size(); ++size) {
    EXPECT_EQ(Parse(file.substr(0, size)).status().code(), absl::StatusCode::kInvalidArgument) << size << " bytes";
  }
}

// Flips, inserts and removes bytes in the length and header of a valid file: a status or a consistent success, never a
// crash.
TEST(Safetensors, RandomDamageNeverCrashes) {
  const std::string valid = SafetensorsFile({{"a", MakeTensor({2, 3})}, {"b", MakeTensor({3}, "F16")}});
  const size_t header_end = valid.size() - 24 - 6;
  std::mt19937 random(20220211);
  const std::string_view alphabet = R"({}[]":,0123456789-.eFU\ ntalse)";
  int refused = 0;
  for (int round = 0; round < 20000; ++round) {
    std::string file = valid;
    const int edits = 1 + static_cast<int>(random() % 4);
    for (int i = 0; i < edits; ++i) {
      const size_t at = random() % header_end;
      const char other = random() % 2 == 0 ? static_cast<char>(random()) : alphabet[random() % alphabet.size()];
      switch (random() % 4) {
        case 0:
          file.insert(at, 1, other);
          break;
        case 1:
          file.erase(at, 1);
          break;
        default:
          file[at] = other;
      }
    }
    refused += Parse(file).ok() ? 0 : 1;
  }
  EXPECT_GT(refused, 10000);
}

}  // namespace
}  // namespace ablate
