#include "engine/model/config.h"

#include <filesystem>
#include <optional>
#include <string_view>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "engine/files/mapped_file.h"
#include "engine/files/strict_json.h"

namespace ablate {
namespace {

using nlohmann::json;

constexpr size_t kMaxConfigBytes = 1U << 20U;
// Far beyond any GPT-2, and small enough that no product of sizes overflows int64_t: at most 2^52 parameters.
constexpr int32_t kMaxLayers = 1024, kMaxHeads = 1024, kMaxWidth = 1 << 16, kMaxMlp = 1 << 18;
constexpr int32_t kMaxVocab = 1 << 24, kMaxPositions = 1 << 20;

// Reads fields of one object and keeps the first error.
class Fields {
 public:
  Fields(const json& root, std::string path) : root_(root), path_(std::move(path)) {}

  const absl::Status& status() const { return status_; }

  // An integer in [1, max]. `alias` is Hugging Face's general name for the same field.
  int32_t Size(const char* name, const char* alias, int32_t fallback, int32_t max) {
    const json* value = Find(name);
    if (const json* other = alias == nullptr ? nullptr : Find(alias); other != nullptr) {
      if (value != nullptr && *value != *other) {
        Invalid(name, *value, absl::StrCat(Quote(*other), ", as `", alias, "` says"));
      }
      value = other;
      name = alias;
    }
    if (value == nullptr) return fallback;
    if (!value->is_number_unsigned() || value->get<uint64_t>() < 1 ||
        value->get<uint64_t>() > static_cast<uint64_t>(max)) {
      Invalid(name, *value, absl::StrCat("an integer from 1 to ", max));
      return fallback;
    }
    return value->get<int32_t>();
  }

  double Epsilon(const char* name, double fallback) {
    const json* value = Find(name);
    if (value == nullptr) return fallback;
    if (!value->is_number() || !(value->get<double>() > 0) || !(value->get<double>() <= 1)) {
      Invalid(name, *value, "a number above 0, at most 1");
      return fallback;
    }
    return value->get<double>();
  }

  // A flag that the engine computes with one value only.
  void Flag(const char* name, bool supported) {
    const json* value = Find(name);
    if (value == nullptr) return;
    if (!value->is_boolean()) {
      Invalid(name, *value, "true or false");
    } else if (value->get<bool>() != supported) {
      Unsupported(name, *value, supported ? "true" : "false");
    }
  }

  // A field that must be absent, null, or empty.
  void Absent(const char* name) {
    const json* value = Find(name);
    if (value != nullptr && !value->empty()) Unsupported(name, *value, "none");
  }

  const json* Find(const char* name) const {
    const auto found = root_.find(name);
    return found == root_.end() ? nullptr : &*found;
  }

  void Invalid(const char* name, const json& value, absl::string_view expected) {
    Keep(absl::InvalidArgumentError(absl::StrCat(path_, ": `", name, "` is ", Quote(value), ", expected ", expected)));
  }

  void Unsupported(const char* name, const json& value, absl::string_view expected) {
    Keep(absl::UnimplementedError(
        absl::StrCat(path_, ": `", name, "` is ", Quote(value), ", which is not supported; expected ", expected)));
  }

  void Keep(absl::Status status) { status_.Update(std::move(status)); }

 private:
  const json& root_;
  std::string path_;
  absl::Status status_;
};

void CheckModelType(Fields& fields, const std::string& path) {
  const json* type = fields.Find("model_type");
  if (type == nullptr) {
    fields.Keep(absl::InvalidArgumentError(absl::StrCat(path, ": `model_type` is missing, expected `\"gpt2\"`")));
  } else if (*type != "gpt2") {
    fields.Unsupported("model_type", *type, "`\"gpt2\"`");
  }
}

void CheckActivation(Fields& fields) {
  const json* activation = fields.Find("activation_function");
  if (activation == nullptr || *activation == "gelu_new" || *activation == "gelu_pytorch_tanh") return;
  fields.Unsupported("activation_function", *activation, "`\"gelu_new\"` or `\"gelu_pytorch_tanh\"`");
}

void ReadSizes(Fields& fields, GptConfig& config) {
  config.n_layers = fields.Size("n_layer", "num_hidden_layers", 12, kMaxLayers);
  config.n_heads = fields.Size("n_head", "num_attention_heads", 12, kMaxHeads);
  config.d_model = fields.Size("n_embd", "hidden_size", 768, kMaxWidth);
  config.vocab_size = fields.Size("vocab_size", nullptr, 50257, kMaxVocab);
  config.n_positions = fields.Size("n_positions", "max_position_embeddings", 1024, kMaxPositions);
  const json* inner = fields.Find("n_inner");
  config.d_mlp =
      inner == nullptr || inner->is_null() ? 4 * config.d_model : fields.Size("n_inner", nullptr, 1, kMaxMlp);
  if (config.d_model % config.n_heads != 0) {
    fields.Invalid("n_embd", config.d_model, absl::StrCat("a multiple of n_head = ", config.n_heads));
  }
  config.d_head = config.d_model / config.n_heads;
}

}  // namespace

int64_t ParameterCount(const GptConfig& config) {
  const int64_t d = config.d_model;
  const int64_t m = config.d_mlp;
  const int64_t layer = 4 * d + (3 * d * d + 3 * d) + (d * d + d) + (d * m + m) + (m * d + d);
  return (static_cast<int64_t>(config.vocab_size) + config.n_positions) * d + config.n_layers * layer + 2 * d;
}

absl::StatusOr<GptConfig> ReadConfig(const std::string& model_dir) {
  const std::string path = model_dir + "/config.json";
  const absl::StatusOr<MappedFile> file = MappedFile::Open(path);
  if (!file.ok()) {
    return absl::Status(file.status().code(),
                        absl::StrCat(file.status().message(), "; expected a Hugging Face GPT-2's config"));
  }
  if (file->bytes().size() > kMaxConfigBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": ", file->bytes().size(), " bytes, expected at most ", kMaxConfigBytes));
  }
  const std::string_view text(reinterpret_cast<const char*>(file->bytes().data()), file->bytes().size());
  const absl::StatusOr<json> root = ParseStrictJson(text, path);
  if (!root.ok()) return root.status();

  Fields fields(*root, path);
  GptConfig config;
  CheckModelType(fields, path);
  CheckActivation(fields);
  fields.Flag("scale_attn_weights", true);
  fields.Flag("scale_attn_by_inverse_layer_idx", false);
  fields.Flag("reorder_and_upcast_attn", false);
  fields.Flag("add_cross_attention", false);
  fields.Flag("is_encoder_decoder", false);
  fields.Flag("tie_word_embeddings", true);
  fields.Absent("quantization_config");
  fields.Absent("pruned_heads");
  ReadSizes(fields, config);
  config.layer_norm_epsilon = fields.Epsilon("layer_norm_epsilon", 1e-5);
  if (!fields.status().ok()) return fields.status();
  return config;
}

}  // namespace ablate
