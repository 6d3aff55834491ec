// Writes model folders for the loader's tests: small valid ones, to be damaged.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "engine/model/config.h"

namespace ablate::testing {

// A folder of its own below the system's temporary folder, removed with everything in it at the end.
class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  std::string path() const { return path_.string(); }
  std::string File(std::string_view name) const { return (path_ / name).string(); }
  void Write(std::string_view name, std::string_view bytes) const;

 private:
  std::filesystem::path path_;
};

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
