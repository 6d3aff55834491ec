#include "engine/model/weight_shapes.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace ablate {

std::map<std::string, std::vector<int64_t>, std::less<>> WeightShapes(const GptConfig& config) {
  const int64_t d = config.d_model;
  const int64_t d_mlp = config.d_mlp;
  std::map<std::string, std::vector<int64_t>, std::less<>> shapes;
  const auto norm = [&](const std::string& name) {
    shapes[name + ".weight"] = {d};
    shapes[name + ".bias"] = {d};
  };
  const auto linear = [&](const std::string& name, int64_t in, int64_t out) {
    shapes[name + ".weight"] = {in, out};
    shapes[name + ".bias"] = {out};
  };
  shapes["wte.weight"] = {config.vocab_size, d};
  shapes["wpe.weight"] = {config.n_positions, d};
  for (int32_t layer = 0; layer < config.n_layers; ++layer) {
    const std::string h = absl::StrCat("h.", layer);
    norm(h + ".ln_1");
    linear(h + ".attn.c_attn", d, 3 * d);
    linear(h + ".attn.c_proj", d, d);
    norm(h + ".ln_2");
    linear(h + ".mlp.c_fc", d, d_mlp);
    linear(h + ".mlp.c_proj", d_mlp, d);
  }
  norm("ln_f");
  return shapes;
}

bool IsMaskBuffer(std::string_view canonical_name, const GptConfig& config) {
  absl::string_view rest(canonical_name.data(), canonical_name.size());
  if (!absl::ConsumePrefix(&rest, "h.")) return false;
  if (!absl::ConsumeSuffix(&rest, ".attn.bias") && !absl::ConsumeSuffix(&rest, ".attn.masked_bias")) return false;
  int32_t layer = 0;
  return absl::SimpleAtoi(rest, &layer) && layer >= 0 && layer < config.n_layers && absl::StrCat(layer) == rest;
}

}  // namespace ablate
