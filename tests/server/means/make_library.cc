#include "tests/server/means/make_library.h"

#include <cstdlib>
#include <fstream>
#include <numeric>
#include <sstream>
#include <utility>

#include "server/means/mean_id.h"

namespace ablate {

MeanLibrary WithId(MeanLibrary library) {
  library.info.set_id(MakeMeanLibraryId(library.info).value());
  return library;
}

MeanLibrary MakeLibrary(const std::string& data_sha256, const std::string& weights_sha256) {
  MeanLibrary library{.info = {}, .n_layers = 2, .n_heads = 3, .d_head = 4, .mean = {}, .count = {4, 2, 1}};
  library.mean.resize(2 * 3 * 3 * 4);
  std::iota(library.mean.begin(), library.mean.end(), -7.125);
  auto& info = library.info;
  info.set_display_name("three \"positions\"");
  info.mutable_options()->set_mode(ablation::v1::MEAN_MODE_POSITIONWISE);
  info.mutable_options()->set_source(ablation::v1::MEAN_SOURCE_CLEAN);
  info.mutable_options()->set_include_first_position(true);
  info.mutable_options()->set_min_count(1);
  info.set_weights_sha256(weights_sha256);
  info.set_data_sha256(data_sha256);
  info.set_n_prompts(4);
  info.set_n_tokens(7);
  info.set_n_positions(3);
  info.add_templates("");
  info.set_created_unix_ms(1'700'000'000'123);
  info.set_engine_version("0.1.0");
  return WithId(std::move(library));
}

std::string ReadFile(const std::filesystem::path& path) {
  std::ostringstream bytes;
  bytes << std::ifstream(path, std::ios::binary).rdbuf();
  return bytes.str();
}

void WriteFile(const std::filesystem::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

TestFolder::TestFolder() {
  std::string name = (std::filesystem::temp_directory_path() / "ablate-means-XXXXXX").string();
  path_ = mkdtemp(name.data());
}

TestFolder::~TestFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace ablate
