// The weights of a GPT-2 in a Hugging Face model folder, mapped and checked against its config.
//
//   auto config = ReadConfig(dir);
//   auto checkpoint = Checkpoint::Open(dir, *config);
//   CopyAsFloat((*checkpoint)->tensor("h.3.attn.c_attn.weight"), out);
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "engine/files/mapped_file.h"
#include "engine/model/config.h"
#include "engine/model/tensor_view.h"

namespace ablate {

// Immutable after Open and safe to share between threads.
class Checkpoint {
 public:
  // Opens `model.safetensors`, else the shards of `model.safetensors.index.json`, and checks that exactly the tensors
  // of `config` are there, each of its shape and stored as F32, F16 or BF16. The causal-mask buffers `h.N.attn.bias`
  // and `h.N.attn.masked_bias` are ignored; `lm_head.weight` must equal `wte.weight`, or stands in for it where that is
  // absent. NotFound: no weights. Unimplemented: an untied lm_head. InvalidArgument: everything else; messages name the
  // file, the tensor, what came and what was expected. Values are not looked at: CopyAsFloat refuses NaN and Inf.
  static absl::StatusOr<std::unique_ptr<const Checkpoint>> Open(const std::string& model_dir, const GptConfig& config);

  // By canonical name, without the `transformer.` prefix; any other name is the caller's bug and throws
  // std::out_of_range. Valid while the checkpoint lives. Matrices are stored (in, out), as Hugging Face's Conv1D does.
  //
  // | name                        | `.weight`        | `.bias`  |
  // |-----------------------------|------------------|----------|
  // | wte                         | [V, D]           |          |
  // | wpe                         | [n_positions, D] |          |
  // | h.N.ln_1, h.N.ln_2, ln_f    | [D]              | [D]      |
  // | h.N.attn.c_attn             | [D, 3 D]         | [3 D]    |
  // | h.N.attn.c_proj             | [D, D]           | [D]      |
  // | h.N.mlp.c_fc                | [D, d_mlp]       | [d_mlp]  |
  // | h.N.mlp.c_proj              | [d_mlp, D]       | [D]      |
  const TensorView& tensor(std::string_view name) const;

  // Lower-case hex over the weight files, sorted by name: for a single file, what `sha256sum` prints.
  const std::string& sha256() const { return sha256_; }

 private:
  Checkpoint() = default;

  std::vector<MappedFile> files_;
  absl::flat_hash_map<std::string, TensorView> tensors_;
  std::string sha256_;
};

}  // namespace ablate
