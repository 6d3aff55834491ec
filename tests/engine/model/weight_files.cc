#include "weight_files.h"

#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "engine/model/weight_shapes.h"

namespace ablate::testing {

FileTensor MakeTensor(std::vector<int64_t> shape, std::string_view dtype) {
  FileTensor tensor{std::string(dtype), std::move(shape), ""};
  int64_t n = 1;
  for (const int64_t size : tensor.shape) n *= size;
  for (int64_t i = 0; i < n; ++i) {
    const float value = static_cast<float>(i) / 64.0F;
    uint32_t bits = 0;
    std::memcpy(&bits, &value, sizeof bits);
    if (dtype == "F32") tensor.bytes.append(reinterpret_cast<const char*>(&bits), 4);
    if (dtype == "BF16") tensor.bytes.append(reinterpret_cast<const char*>(&bits) + 2, 2);
    if (dtype == "F16") {
      // Exact: below 2^11 / 64 and above float16's subnormals.
      const auto half = static_cast<uint16_t>(i == 0 ? 0 : (bits >> 13U) - ((127U - 15U) << 10U));
      tensor.bytes.append(reinterpret_cast<const char*>(&half), 2);
    }
    if (dtype == "U8" || dtype == "BOOL") tensor.bytes.push_back(static_cast<char>(i % 2));
    if (dtype == "F64" || dtype == "I64") tensor.bytes.append(8, '\0');
  }
  return tensor;
}

std::string WithHeader(std::string_view header, std::string_view data) {
  const uint64_t length = header.size();
  std::string file(reinterpret_cast<const char*>(&length), sizeof length);
  file.append(header);
  file.append(data);
  return file;
}

std::string SafetensorsFile(const FileTensors& tensors) {
  std::string header = R"({"__metadata__":{"format":"pt"})";
  std::string data;
  for (const auto& [name, tensor] : tensors) {
    absl::StrAppend(&header, R"(,")", name, R"(":{"dtype":")", tensor.dtype, R"(","shape":[)",
                    absl::StrJoin(tensor.shape, ","), R"(],"data_offsets":[)", data.size(), ",",
                    data.size() + tensor.bytes.size(), "]}");
    data += tensor.bytes;
  }
  header += "}";
  header.resize((header.size() + 7) / 8 * 8, ' ');
  return WithHeader(header, data);
}

GptConfig TinyConfig() {
  GptConfig config;
  config.n_layers = 2;
  config.n_heads = 2;
  config.d_model = 4;
  config.d_head = 2;
  config.d_mlp = 6;
  config.vocab_size = 5;
  config.n_positions = 3;
  config.layer_norm_epsilon = 1e-5;
  return config;
}

std::string TinyConfigJson() {
  return R"({"model_type": "gpt2", "n_layer": 2, "n_head": 2, "n_embd": 4, "n_inner": 6, "vocab_size": 5, "n_positions": 3})";
}

FileTensors TinyTensors(std::string_view prefix) {
  FileTensors tensors;
  for (const auto& [name, shape] : WeightShapes(TinyConfig())) tensors[std::string(prefix) + name] = MakeTensor(shape);
  return tensors;
}

}  // namespace ablate::testing
