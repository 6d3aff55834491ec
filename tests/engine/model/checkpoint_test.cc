// The loader against whole model folders: every layout that is accepted, and a table of damaged ones.
#include "engine/model/checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <functional>
#include <iostream>
#include <nlohmann/json.hpp>
#include <random>
#include <stdexcept>

#include "engine/model/weight_shapes.h"
#include "weight_files.h"

namespace ablate {
namespace {

using ::ablate::testing::FileTensors;
using ::ablate::testing::MakeTensor;
using ::ablate::testing::SafetensorsFile;
using ::ablate::testing::TempDir;
using ::ablate::testing::TinyConfig;
using ::ablate::testing::TinyTensors;
using ::testing::HasSubstr;

constexpr char kFile[] = "model.safetensors";
constexpr char kIndex[] = "model.safetensors.index.json";
constexpr char kShard1[] = "model-00001-of-00002.safetensors";
constexpr char kShard2[] = "model-00002-of-00002.safetensors";

absl::StatusOr<std::unique_ptr<const Checkpoint>> Open(const TempDir& dir) {
  return Checkpoint::Open(dir.path(), TinyConfig());
}

// Converts every weight, as the engine does when it loads.
absl::Status ReadAll(const Checkpoint& checkpoint, const GptConfig& config) {
  for (const auto& [name, shape] : WeightShapes(config)) {
    const TensorView& tensor = checkpoint.tensor(name);
    std::vector<float> values(tensor.numel());
    if (absl::Status status = CopyAsFloat(tensor, values.data()); !status.ok()) return status;
  }
  return absl::OkStatus();
}

// Layer 1 in the second shard, all else in the first.
struct Sharded {
  FileTensors first, second;
  nlohmann::json map = nlohmann::json::object();

  Sharded() {
    for (auto& [name, tensor] : TinyTensors()) {
      const bool late = name.find("h.1.") != std::string::npos;
      (late ? second : first)[name] = tensor;
      map[name] = late ? kShard2 : kShard1;
    }
  }

  void Write(const TempDir& dir) const {
    dir.Write(kShard1, SafetensorsFile(first));
    dir.Write(kShard2, SafetensorsFile(second));
    dir.Write(kIndex, nlohmann::json{{"metadata", {{"total_size", 1}}}, {"weight_map", map}}.dump());
  }
};

// ---- What is accepted ----

TEST(Checkpoint, ReadsASingleFileWithAndWithoutPrefix) {
  for (const std::string prefix : {"transformer.", ""}) {
    const TempDir dir;
    dir.Write(kFile, SafetensorsFile(TinyTensors(prefix)));
    const auto checkpoint = Open(dir);
    ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
    const TensorView& c_attn = (*checkpoint)->tensor("h.1.attn.c_attn.weight");
    EXPECT_EQ(c_attn.name, prefix + "h.1.attn.c_attn.weight");
    EXPECT_THAT(c_attn.shape, ::testing::ElementsAre(4, 12));
    std::vector<float> values(48);
    ASSERT_TRUE(CopyAsFloat(c_attn, values.data()).ok());
    EXPECT_EQ(values[47], 47 / 64.0F);
    EXPECT_TRUE(ReadAll(**checkpoint, TinyConfig()).ok());
    int64_t n = 0;
    for (const auto& [name, shape] : WeightShapes(TinyConfig())) n += (*checkpoint)->tensor(name).numel();
    EXPECT_EQ(n, ParameterCount(TinyConfig()));
  }
}

TEST(Checkpoint, ReadsEveryStoredTypeAlike) {
  for (const std::string dtype : {"F32", "F16", "BF16"}) {
    const TempDir dir;
    FileTensors tensors = TinyTensors();
    for (auto& [name, tensor] : tensors) tensor = MakeTensor(tensor.shape, dtype);
    dir.Write(kFile, SafetensorsFile(tensors));
    const auto checkpoint = Open(dir);
    ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
    std::vector<double> values(24);
    ASSERT_TRUE(CopyAsDouble((*checkpoint)->tensor("h.0.mlp.c_fc.weight"), values.data()).ok());
    for (int i = 0; i < 24; ++i) EXPECT_EQ(values[i], i / 64.0) << dtype;
  }
}

TEST(Checkpoint, IgnoresMaskBuffersAndATiedHead) {
  const TempDir dir;
  FileTensors tensors = TinyTensors();
  tensors["transformer.h.0.attn.bias"] = MakeTensor({1, 1, 3, 3}, "BOOL");
  tensors["transformer.h.1.attn.bias"] = MakeTensor({1, 1, 3, 3});
  tensors["transformer.h.1.attn.masked_bias"] = MakeTensor({});
  tensors["lm_head.weight"] = MakeTensor({5, 4});
  dir.Write(kFile, SafetensorsFile(tensors));
  const auto checkpoint = Open(dir);
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  EXPECT_TRUE(ReadAll(**checkpoint, TinyConfig()).ok());
  EXPECT_THROW((*checkpoint)->tensor("h.0.attn.bias"), std::out_of_range);
}

TEST(Checkpoint, TakesTheHeadWhereTheEmbeddingIsNotStored) {
  const TempDir dir;
  FileTensors tensors = TinyTensors();
  tensors.erase("transformer.wte.weight");
  tensors["lm_head.weight"] = MakeTensor({5, 4});
  dir.Write(kFile, SafetensorsFile(tensors));
  const auto checkpoint = Open(dir);
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  EXPECT_EQ((*checkpoint)->tensor("wte.weight").name, "lm_head.weight");
}

TEST(Checkpoint, ReadsShardsAndHashesThemInOrder) {
  const TempDir dir;
  Sharded().Write(dir);
  const auto checkpoint = Open(dir);
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  EXPECT_EQ((*checkpoint)->tensor("wte.weight").file, dir.File(kShard1));
  EXPECT_EQ((*checkpoint)->tensor("h.1.ln_1.bias").file, dir.File(kShard2));

  EXPECT_EQ((*checkpoint)->sha256().size(), 64U);
  const TempDir swapped;
  Sharded other;
  other.first["transformer.wte.weight"].bytes[0] ^= 1;
  other.Write(swapped);
  const auto second = Open(swapped);
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_NE((*checkpoint)->sha256(), (*second)->sha256());
}

TEST(Checkpoint, ReadsTheBundledModel) {
  const std::string dir = std::string(ABLATE_SOURCE_DIR) + "/models/demo";
  const auto config = ReadConfig(dir);
  ASSERT_TRUE(config.ok()) << config.status();
  const auto checkpoint = Checkpoint::Open(dir, *config);
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  EXPECT_TRUE(ReadAll(**checkpoint, *config).ok());
}

TEST(Checkpoint, FollowsSymbolicLinks) {
  const TempDir dir;
  dir.Write("blob", SafetensorsFile(TinyTensors()));
  std::filesystem::create_symlink("blob", dir.File(kFile));
  EXPECT_TRUE(Open(dir).ok());
}

// ---- What is refused ----

struct Damage {
  std::string kind;
  std::function<void(const TempDir&)> write;
  absl::StatusCode code;
  // Both must be in the message.
  std::string names;
  std::string says;
};

// A single file after `change`.
std::function<void(const TempDir&)> Single(const std::function<void(FileTensors&)>& change) {
  return [change](const TempDir& dir) {
    FileTensors tensors = TinyTensors();
    change(tensors);
    dir.Write(kFile, SafetensorsFile(tensors));
  };
}

std::function<void(const TempDir&)> InShards(const std::function<void(Sharded&)>& change) {
  return [change](const TempDir& dir) {
    Sharded sharded;
    change(sharded);
    sharded.Write(dir);
  };
}

std::function<void(const TempDir&)> Index(const std::string& text) {
  return [text](const TempDir& dir) {
    Sharded().Write(dir);
    dir.Write(kIndex, text);
  };
}

// Puts a float32's bits into an element of a tensor.
void Poke(FileTensors& tensors, const std::string& name, int index, uint32_t bits) {
  tensors.at(name).bytes.replace(static_cast<size_t>(index) * 4, 4, reinterpret_cast<const char*>(&bits), 4);
}

std::vector<Damage> Table() {
  using absl::StatusCode;
  constexpr StatusCode kInvalid = StatusCode::kInvalidArgument;
  const std::string wte = "transformer.wte.weight";
  const std::string c_attn = "transformer.h.1.attn.c_attn.weight";
  return {
      {"empty folder", [](const TempDir&) {}, StatusCode::kNotFound, "", "no weights, expected model.safetensors or"},
      {"model.safetensors is a folder", [](const TempDir& dir) { std::filesystem::create_directory(dir.File(kFile)); },
       kInvalid, kFile, "a directory, expected a regular file"},
      {"model.safetensors is a FIFO", [](const TempDir& dir) { ASSERT_EQ(::mkfifo(dir.File(kFile).c_str(), 0600), 0); },
       kInvalid, kFile, "a special file, expected a regular file"},
      {"model.safetensors is a dangling link",
       [](const TempDir& dir) { std::filesystem::create_symlink("nowhere", dir.File(kFile)); }, StatusCode::kNotFound,
       "", "no weights"},
      {"empty file", [](const TempDir& dir) { dir.Write(kFile, ""); }, kInvalid, kFile, "the file has 0 bytes"},
      {"a Git LFS pointer",
       [](const TempDir& dir) { dir.Write(kFile, "version https://git-lfs.github.com/spec/v1\noid sha256:0\n"); },
       kInvalid, kFile, "is this a safetensors file?"},
      {"cut off in the data",
       [](const TempDir& dir) {
         const std::string file = SafetensorsFile(TinyTensors());
         dir.Write(kFile, file.substr(0, file.size() - 1));
       },
       kInvalid, kFile, "the bytes of data in the file"},
      {"no tensors", [](const TempDir& dir) { dir.Write(kFile, SafetensorsFile({})); }, kInvalid, kFile,
       "missing, expected [12] (0 of 28 tensors came)"},
      {"a tensor missing", Single([=](FileTensors& t) { t.erase(c_attn); }), kInvalid, kFile,
       "tensor `h.1.attn.c_attn.weight`: missing, expected [4, 12] (27 of 28 tensors came)"},
      {"embedding and head missing", Single([=](FileTensors& t) { t.erase(wte); }), kInvalid, kFile,
       "tensor `wte.weight`: missing, expected [5, 4]"},
      {"an unknown tensor", Single([](FileTensors& t) { t["transformer.h.0.attn.rotary"] = MakeTensor({2}); }),
       kInvalid, kFile, "tensor `transformer.h.0.attn.rotary`: unknown, expected the tensors of a GPT-2 with 2 layers"},
      {"a layer too many", Single([](FileTensors& t) { t["transformer.h.2.ln_1.bias"] = MakeTensor({4}); }), kInvalid,
       kFile, "tensor `transformer.h.2.ln_1.bias`: unknown"},
      {"a mask buffer of a layer too many",
       Single([](FileTensors& t) { t["transformer.h.2.attn.bias"] = MakeTensor({1}); }), kInvalid, kFile,
       "tensor `transformer.h.2.attn.bias`: unknown"},
      {"a mask buffer of no layer", Single([](FileTensors& t) { t["transformer.h.01.attn.bias"] = MakeTensor({1}); }),
       kInvalid, kFile, "tensor `transformer.h.01.attn.bias`: unknown"},
      {"a prefix twice", Single([](FileTensors& t) { t["transformer.transformer.ln_f.bias"] = MakeTensor({4}); }),
       kInvalid, kFile, "tensor `transformer.transformer.ln_f.bias`: unknown"},
      {"a tensor with and without prefix", Single([](FileTensors& t) { t["ln_f.bias"] = MakeTensor({4}); }), kInvalid,
       kFile, "tensor `transformer.ln_f.bias`: is also there as `ln_f.bias`, expected once"},
      {"weights as F64", Single([=](FileTensors& t) { t[c_attn] = MakeTensor({4, 12}, "F64"); }), kInvalid, kFile,
       "`transformer.h.1.attn.c_attn.weight`: stored as F64, expected F32, F16 or BF16"},
      {"weights as bytes", Single([=](FileTensors& t) { t[c_attn] = MakeTensor({4, 12}, "U8"); }), kInvalid, kFile,
       "stored as U8, expected F32, F16 or BF16"},
      {"weights transposed", Single([=](FileTensors& t) { t[c_attn] = MakeTensor({12, 4}); }), kInvalid, kFile,
       "`transformer.h.1.attn.c_attn.weight`: has shape [12, 4], expected [4, 12] from config.json"},
      {"weights flattened", Single([=](FileTensors& t) { t[c_attn] = MakeTensor({48}); }), kInvalid, kFile,
       "has shape [48], expected [4, 12]"},
      {"vocabulary of another size", Single([=](FileTensors& t) { t[wte] = MakeTensor({6, 4}); }), kInvalid, kFile,
       "`transformer.wte.weight`: has shape [6, 4], expected [5, 4]"},
      {"a weight without elements", Single([](FileTensors& t) { t["transformer.ln_f.bias"] = MakeTensor({0}); }),
       kInvalid, kFile, "`transformer.ln_f.bias`: has shape [0], expected [4]"},
      {"an untied head", Single([](FileTensors& t) {
         t["lm_head.weight"] = MakeTensor({5, 4});
         Poke(t, "lm_head.weight", 3, 0x3F000000U);
       }),
       StatusCode::kUnimplemented, kFile, "untied output heads are not supported"},
      {"a head of another shape", Single([](FileTensors& t) { t["lm_head.weight"] = MakeTensor({4, 5}); }),
       StatusCode::kUnimplemented, kFile,
       "`lm_head.weight`: F32 [4, 5] differs from `transformer.wte.weight`, F32 [5, 4]"},
      {"a head of another type", Single([](FileTensors& t) { t["lm_head.weight"] = MakeTensor({5, 4}, "BF16"); }),
       StatusCode::kUnimplemented, kFile,
       "`lm_head.weight`: BF16 [5, 4] differs from `transformer.wte.weight`, F32 [5, 4]"},
      {"only a head, of a wrong shape", Single([=](FileTensors& t) {
         t.erase(wte);
         t["lm_head.weight"] = MakeTensor({4, 5});
       }),
       kInvalid, kFile, "`lm_head.weight`: has shape [4, 5], expected [5, 4]"},
      {"two heads", Single([](FileTensors& t) {
         t["lm_head.weight"] = MakeTensor({5, 4});
         t["transformer.lm_head.weight"] = MakeTensor({5, 4});
       }),
       kInvalid, kFile, "`transformer.lm_head.weight`: is also there as `lm_head.weight`"},
      {"a NaN", Single([=](FileTensors& t) { Poke(t, c_attn, 47, 0x7FC00000U); }), kInvalid, kFile,
       "`transformer.h.1.attn.c_attn.weight`: element 47 of 48 is NaN, expected a finite number"},
      {"an infinity", Single([=](FileTensors& t) { Poke(t, wte, 0, 0xFF800000U); }), kInvalid, kFile,
       "`transformer.wte.weight`: element 0 of 20 is -Inf, expected a finite number"},
      {"an infinity in float16", Single([](FileTensors& t) {
         t["transformer.ln_f.weight"] = MakeTensor({4}, "F16");
         t["transformer.ln_f.weight"].bytes.replace(2, 2, std::string("\x00\x7C", 2));
       }),
       kInvalid, kFile, "`transformer.ln_f.weight`: element 1 of 4 is Inf"},

      {"index is empty", Index(""), kInvalid, kIndex, "not valid JSON"},
      {"index is not JSON", Index("weights: here"), kInvalid, kIndex, "not valid JSON"},
      {"index is an array", Index("[]"), kInvalid, kIndex, "a JSON array came, expected a JSON object"},
      {"index is nested a million deep", Index(std::string(1000000, '[')), kInvalid, kIndex, "nested deeper than 32"},
      {"index without weight_map", Index("{}"), kInvalid, kIndex, "`weight_map` is missing"},
      {"weight_map is a list", Index(R"({"weight_map":[1]})"), kInvalid, kIndex,
       "`weight_map` is `[1]`, expected an object"},
      {"weight_map is empty", Index(R"({"weight_map":{}})"), kInvalid, kIndex,
       "`weight_map` is `{}`, expected an object"},
      {"weight_map twice", Index(R"({"weight_map":{},"weight_map":{}})"), kInvalid, kIndex,
       "key `weight_map` appears twice"},
      {"shard name is a number", InShards([=](Sharded& s) { s.map[wte] = 1; }), kInvalid, kIndex,
       "tensor `transformer.wte.weight`: file is `1`, expected the name of a .safetensors file in the same folder"},
      {"shard in the folder above", InShards([=](Sharded& s) { s.map[wte] = "../x.safetensors"; }), kInvalid, kIndex,
       "file is `\"../x.safetensors\"`, expected the name of a .safetensors file in the same folder"},
      {"shard at an absolute path", InShards([=](Sharded& s) { s.map[wte] = "/etc/x.safetensors"; }), kInvalid, kIndex,
       "expected the name of a .safetensors file in the same folder"},
      {"shard of another kind", InShards([=](Sharded& s) { s.map[wte] = "passwd"; }), kInvalid, kIndex,
       "expected the name of a .safetensors file in the same folder"},
      {"shard name with a NUL byte", InShards([=](Sharded& s) { s.map[wte] = std::string("a\0.safetensors", 14); }),
       kInvalid, kIndex, "expected the name of a .safetensors file in the same folder"},
      {"shard missing", InShards([=](Sharded& s) { s.map[wte] = "model-00003-of-00003.safetensors"; }),
       StatusCode::kNotFound, "model-00003-of-00003.safetensors", "no such file; expected a shard, as"},
      {"shard damaged",
       [](const TempDir& dir) {
         Sharded().Write(dir);
         dir.Write(kShard2, "x");
       },
       kInvalid, kShard2, "the file has 1 bytes"},
      {"tensor in another shard", InShards([=](Sharded& s) { s.map[wte] = kShard2; }), kInvalid, kShard1,
       "tensor `transformer.wte.weight`: came in this file, expected in `model-00002-of-00002.safetensors`"},
      {"tensor in both shards", InShards([=](Sharded& s) { s.second[wte] = s.first[wte]; }), kInvalid, kShard2,
       "tensor `transformer.wte.weight`: came in this file, expected in `model-00001-of-00002.safetensors`"},
      {"tensor not in the index", InShards([=](Sharded& s) { s.map.erase(wte); }), kInvalid, kShard1,
       "tensor `transformer.wte.weight`: not listed in"},
      {"tensor only in the index", InShards([=](Sharded& s) { s.first.erase(wte); }), kInvalid, kShard1,
       "tensor `transformer.wte.weight`: missing, expected in this file"},
  };
}

TEST(Checkpoint, DamagedFoldersAreRefusedAndNamed) {
  for (const Damage& damage : Table()) {
    SCOPED_TRACE(damage.kind);
    const TempDir dir;
    damage.write(dir);
    const auto checkpoint = Open(dir);
    const absl::Status status = checkpoint.ok() ? ReadAll(**checkpoint, TinyConfig()) : checkpoint.status();
    std::string message(status.message());
    EXPECT_EQ(status.code(), damage.code) << message;
    EXPECT_THAT(message, HasSubstr(dir.path()));
    EXPECT_THAT(message, HasSubstr(damage.names));
    EXPECT_THAT(message, HasSubstr(damage.says));
    for (size_t at; (at = message.find(dir.path())) != std::string::npos;)
      message.replace(at, dir.path().size(), "MODEL");
    std::cout << damage.kind << "\n    " << message << "\n";
  }
}

TEST(Checkpoint, RandomDamageToAWholeFileNeverCrashes) {
  const std::string valid = SafetensorsFile(TinyTensors());
  std::mt19937 random(7);
  const TempDir dir;
  int refused = 0;
  for (int round = 0; round < 1000; ++round) {
    std::string file = valid;
    const int flips = 1 + static_cast<int>(random() % 3);
    for (int i = 0; i < flips; ++i) file[random() % file.size()] ^= static_cast<char>(1U << (random() % 8));
    if (random() % 4 == 0) file.resize(random() % file.size());
    dir.Write(kFile, file);
    const auto checkpoint = Open(dir);
    refused += checkpoint.ok() && ReadAll(**checkpoint, TinyConfig()).ok() ? 0 : 1;
  }
  EXPECT_GT(refused, 500);
}

}  // namespace
}  // namespace ablate
