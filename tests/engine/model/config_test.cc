#include "engine/model/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <iostream>
#include <vector>

#include "weight_files.h"

namespace ablate {
namespace {

using ::ablate::testing::TempDir;
using ::testing::HasSubstr;

absl::StatusOr<GptConfig> Read(const std::string& text) {
  const TempDir dir;
  dir.Write("config.json", text);
  return ReadConfig(dir.path());
}

TEST(Config, DefaultsAreGpt2Small) {
  const auto config = Read(R"({"model_type": "gpt2"})");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->n_layers, 12);
  EXPECT_EQ(config->n_heads, 12);
  EXPECT_EQ(config->d_model, 768);
  EXPECT_EQ(config->d_head, 64);
  EXPECT_EQ(config->d_mlp, 3072);
  EXPECT_EQ(config->vocab_size, 50257);
  EXPECT_EQ(config->n_positions, 1024);
  EXPECT_EQ(config->layer_norm_epsilon, 1e-5);
  EXPECT_EQ(ParameterCount(*config), 124439808);
}

TEST(Config, ReadsEveryFieldOfTheEngine) {
  const auto config =
      Read(R"({"model_type": "gpt2", "n_layer": 3, "n_head": 2, "n_embd": 8, "n_inner": 20, "vocab_size": 11,
      "n_positions": 7, "layer_norm_epsilon": 1e-6,
      "activation_function": "gelu_pytorch_tanh", "scale_attn_weights": true, "task_specific_params": {"a": [1]}})");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->n_layers, 3);
  EXPECT_EQ(config->n_heads, 2);
  EXPECT_EQ(config->d_model, 8);
  EXPECT_EQ(config->d_head, 4);
  EXPECT_EQ(config->d_mlp, 20);
  EXPECT_EQ(config->vocab_size, 11);
  EXPECT_EQ(config->n_positions, 7);
  EXPECT_EQ(config->layer_norm_epsilon, 1e-6);
}

TEST(Config, TakesHuggingFacesGeneralNames) {
  const auto config = Read(R"({"model_type": "gpt2", "num_hidden_layers": 2, "num_attention_heads": 3, "hidden_size": 6,
      "max_position_embeddings": 9})");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->n_layers, 2);
  EXPECT_EQ(config->n_heads, 3);
  EXPECT_EQ(config->d_model, 6);
  EXPECT_EQ(config->n_positions, 9);
}

struct Refused {
  std::string kind;
  // Put into an object behind `"model_type": "gpt2"`, or the whole file where it starts otherwise than with a comma.
  std::string text;
  absl::StatusCode code;
  std::string message;
};

TEST(Config, DamagedAndUnsupportedFilesAreRefusedAndNamed) {
  constexpr absl::StatusCode kInvalid = absl::StatusCode::kInvalidArgument;
  constexpr absl::StatusCode kUnsupported = absl::StatusCode::kUnimplemented;
  const std::vector<Refused> table = {
      {"empty", "", kInvalid, "not valid JSON"},
      {"not JSON", "n_layer = 12", kInvalid, "not valid JSON"},
      {"cut off", R"({"model_type": "gpt2")", kInvalid, "not valid JSON"},
      {"a list", "[]", kInvalid, "a JSON array came, expected a JSON object"},
      {"nested a million deep", std::string(1000000, '['), kInvalid, "nested deeper than 32"},
      {"over a megabyte", std::string((1U << 20U) + 1, ' '), kInvalid, "1048577 bytes, expected at most 1048576"},
      {"no model_type", "{}", kInvalid, "`model_type` is missing, expected `\"gpt2\"`"},
      {"another model", R"({"model_type": "gpt_neo"})", kUnsupported, "`model_type` is `\"gpt_neo\"`"},
      {"a key twice", R"(, "n_layer": 1, "n_layer": 2)", kInvalid, "key `n_layer` appears twice"},
      {"no layers", R"(, "n_layer": 0)", kInvalid, "`n_layer` is `0`, expected an integer from 1 to 1024"},
      {"negative layers", R"(, "n_layer": -1)", kInvalid, "`n_layer` is `-1`, expected an integer from 1 to 1024"},
      {"too many layers", R"(, "n_layer": 1025)", kInvalid, "`n_layer` is `1025`, expected"},
      {"layers as a fraction", R"(, "n_layer": 12.0)", kInvalid, "`n_layer` is `12.0`, expected an integer"},
      {"layers as a string", R"(, "n_layer": "12")", kInvalid, "`n_layer` is `\"12\"`, expected an integer"},
      {"layers null", R"(, "n_layer": null)", kInvalid, "`n_layer` is `null`, expected an integer"},
      {"no heads", R"(, "n_head": 0)", kInvalid, "`n_head` is `0`, expected an integer from 1"},
      {"heads that do not divide", R"(, "n_head": 5)", kInvalid,
       "`n_embd` is `768`, expected a multiple of n_head = 5"},
      {"width over 32 bits", R"(, "n_embd": 4294967296)", kInvalid, "`n_embd` is `4294967296`, expected"},
      {"width over 64 bits", R"(, "n_embd": 18446744073709551616)", kInvalid, "`n_embd` is `1.8446744073709552e+19`"},
      {"inner width negative", R"(, "n_inner": -1)", kInvalid, "`n_inner` is `-1`, expected"},
      {"vocabulary of 0", R"(, "vocab_size": 0)", kInvalid, "`vocab_size` is `0`, expected"},
      {"positions too many", R"(, "n_positions": 1048577)", kInvalid, "`n_positions` is `1048577`, expected"},
      {"two names disagree", R"(, "n_embd": 768, "hidden_size": 1024)", kInvalid,
       "`n_embd` is `768`, expected `1024`, as `hidden_size` says"},
      {"epsilon 0", R"(, "layer_norm_epsilon": 0)", kInvalid, "`layer_norm_epsilon` is `0`, expected a number above 0"},
      {"epsilon a string", R"(, "layer_norm_epsilon": "1e-5")", kInvalid, "`layer_norm_epsilon` is `\"1e-5\"`"},
      {"epsilon too large for a double", R"(, "layer_norm_epsilon": 1e999)", kInvalid, "not valid JSON"},
      {"erf GELU", R"(, "activation_function": "gelu")", kUnsupported,
       "`activation_function` is `\"gelu\"`, which is not supported; expected `\"gelu_new\"`"},
      {"no activation", R"(, "activation_function": null)", kUnsupported, "`activation_function` is `null`"},
      {"unscaled attention", R"(, "scale_attn_weights": false)", kUnsupported, "`scale_attn_weights` is `false`"},
      {"attention scaled by layer", R"(, "scale_attn_by_inverse_layer_idx": true)", kUnsupported,
       "`scale_attn_by_inverse_layer_idx` is `true`, which is not supported; expected false"},
      {"reordered attention", R"(, "reorder_and_upcast_attn": true)", kUnsupported,
       "`reorder_and_upcast_attn` is `true`"},
      {"cross attention", R"(, "add_cross_attention": true)", kUnsupported, "`add_cross_attention` is `true`"},
      {"untied", R"(, "tie_word_embeddings": false)", kUnsupported, "`tie_word_embeddings` is `false`"},
      {"a flag as a number", R"(, "tie_word_embeddings": 1)", kInvalid,
       "`tie_word_embeddings` is `1`, expected true or false"},
      {"quantised", R"(, "quantization_config": {"bits": 4})", kUnsupported, "`quantization_config` is `{\"bits\":4}`"},
      {"pruned", R"(, "pruned_heads": {"0": [1]})", kUnsupported, "`pruned_heads` is `{\"0\":[1]}`"},
      {"control bytes in a value", R"(, "activation_function": "\u001b[2J")", kUnsupported, R"(\u001b[2J)"},
  };
  for (const Refused& refused : table) {
    SCOPED_TRACE(refused.kind);
    const bool whole = refused.text.empty() || refused.text[0] != ',';
    const absl::Status status = Read(whole ? refused.text : R"({"model_type": "gpt2")" + refused.text + "}").status();
    EXPECT_EQ(status.code(), refused.code);
    const std::string message(status.message());
    EXPECT_THAT(message, HasSubstr("/config.json: "));
    EXPECT_THAT(message, HasSubstr(refused.message));
    EXPECT_LT(message.size(), 500U);
    std::cout << refused.kind << "\n    " << message.substr(message.find("config.json")) << "\n";
  }
}

TEST(Config, MissingFileAndFolder) {
  const TempDir dir;
  EXPECT_EQ(ReadConfig(dir.path()).status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(ReadConfig(dir.path()).status().message()), HasSubstr("config.json: no such file"));
  EXPECT_EQ(ReadConfig(dir.File("nowhere")).status().code(), absl::StatusCode::kNotFound);
  std::filesystem::create_directory(dir.File("config.json"));
  EXPECT_EQ(ReadConfig(dir.path()).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace ablate
