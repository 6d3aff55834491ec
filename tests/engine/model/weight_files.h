// Writes model folders for the loader's tests: small valid ones, to be damaged.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "engine/model/config.h"
#include "tests/engine/files/temp_dir.h"

namespace ablate::testing {

// A tensor to be written; its entry in the header can be made to lie.
struct FileTensor {
  std::string dtype = "F32";
  std::vector<int64_t> shape;
  std::string bytes;
};

using FileTensors = std::map<std::string, FileTensor>;

// Elements 0, 1/64, 2/64, ... starting anew for each tensor.
FileTensor MakeTensor(std::vector<int64_t> shape, std::string_view dtype = "F32");

// The length, the header as it is, the data.
std::string WithHeader(std::string_view header, std::string_view data);
// A valid file.
std::string SafetensorsFile(const FileTensors& tensors);

// 2 layers, 2 heads, D = 4, d_mlp = 6, V = 5, 3 positions.
GptConfig TinyConfig();
std::string TinyConfigJson();
// Its 28 tensors, named with `prefix`.
FileTensors TinyTensors(std::string_view prefix = "transformer.");

}  // namespace ablate::testing
