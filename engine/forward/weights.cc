#include "engine/forward/weights.h"

#include <ATen/Functions.h>

#include <string>

#include "absl/strings/str_cat.h"

namespace ablate {
namespace {

// Loads tensors one after the other and keeps the first error, so that the list below reads as the model's layout.
class Loader {
 public:
  Loader(const Checkpoint& checkpoint, Precision precision, c10::Device device)
      : checkpoint_(checkpoint),
        dtype_(precision == Precision::kFloat64 ? at::kDouble : at::kFloat),
        rounds_(precision == Precision::kBf16),
        device_(device) {}

  at::Tensor Load(const std::string& name) {
    if (!status_.ok()) return {};
    const TensorView& view = checkpoint_.tensor(name);
    at::Tensor host = at::empty(view.shape, dtype_);
    status_ = dtype_ == at::kDouble ? CopyAsDouble(view, host.mutable_data_ptr<double>())
                                    : CopyAsFloat(view, host.mutable_data_ptr<float>());
    return host.to(device_);
  }

  // What GEMMs multiply with.
  at::Tensor LoadMatrix(const std::string& name) { return Matrix(Load(name)); }
  at::Tensor Matrix(const at::Tensor& loaded) const {
    return rounds_ && loaded.defined() ? loaded.to(at::kBFloat16) : loaded;
  }

  const absl::Status& status() const { return status_; }

 private:
  const Checkpoint& checkpoint_;
  at::ScalarType dtype_;
  bool rounds_;
  c10::Device device_;
  absl::Status status_;
};

}  // namespace

absl::StatusOr<Weights> LoadWeights(const Checkpoint& checkpoint, const GptConfig& config, Precision precision,
                                    c10::Device device) {
  Loader loader(checkpoint, precision, device);
  Weights weights;
  weights.wte = loader.Load("wte.weight");
  weights.unembedding = loader.Matrix(weights.wte);
  weights.wpe = loader.Load("wpe.weight");
  for (int32_t layer = 0; layer < config.n_layers; ++layer) {
    const auto name_of = [&](const char* name) { return absl::StrCat("h.", layer, ".", name); };
    const auto load = [&](const char* name) { return loader.Load(name_of(name)); };
    const auto load_matrix = [&](const char* name) { return loader.LoadMatrix(name_of(name)); };
    LayerWeights block;
    block.ln_1_weight = load("ln_1.weight");
    block.ln_1_bias = load("ln_1.bias");
    block.c_attn_weight = load_matrix("attn.c_attn.weight");
    block.c_attn_bias = load("attn.c_attn.bias");
    block.c_proj_weight = load_matrix("attn.c_proj.weight");
    block.c_proj_bias = load("attn.c_proj.bias");
    block.ln_2_weight = load("ln_2.weight");
    block.ln_2_bias = load("ln_2.bias");
    block.c_fc_weight = load_matrix("mlp.c_fc.weight");
    block.c_fc_bias = load("mlp.c_fc.bias");
    block.mlp_c_proj_weight = load_matrix("mlp.c_proj.weight");
    block.mlp_c_proj_bias = load("mlp.c_proj.bias");
    weights.layers.push_back(std::move(block));
  }
  weights.ln_f_weight = loader.Load("ln_f.weight");
  weights.ln_f_bias = loader.Load("ln_f.bias");
  if (!loader.status().ok()) return loader.status();
  return weights;
}

}  // namespace ablate
