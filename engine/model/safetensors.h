// The safetensors format: 8 bytes of header length (little-endian), a JSON header, and the tensors' bytes without a
// gap.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "engine/model/tensor_view.h"

namespace ablate {

// The format allows 100 MB; GPT-2 XL's header has 60 kB.
inline constexpr uint64_t kMaxSafetensorsHeaderBytes = 16U << 20U;

// The tensors of a file in the order of their bytes, pointing into `bytes`. Checks the whole header and trusts nothing
// in it; `__metadata__` is checked, and handed out where `metadata` is not null. On success every tensor lies within
// `bytes`, its size is that of its shape and type, and the tensors cover the data without overlap, hole or rest.
// InvalidArgument names `path`, the tensor, what came and what was expected. Reads no tensor data.
absl::StatusOr<std::vector<TensorView>> ParseSafetensors(absl::Span<const uint8_t> bytes, std::string_view path,
                                                         std::map<std::string, std::string>* metadata = nullptr);

}  // namespace ablate
