#include "server/means/mean_id.h"

#include <set>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/server/means/make_library.h"

namespace ablate {
namespace {

TEST(MeanIdTest, IsTheSameForTheSameMeans) {
  MeanLibrary library = MakeLibrary();
  const std::string id = library.info.id();
  EXPECT_TRUE(IsMeanLibraryId(id));
  // What says nothing about the means does not go in.
  library.info.set_display_name("other");
  library.info.set_created_unix_ms(5);
  library.info.set_engine_version("9");
  library.info.set_precision(ablation::v1::PRECISION_FLOAT32);
  EXPECT_EQ(MakeMeanLibraryId(library.info).value(), id);
  library.info.set_precision(ablation::v1::PRECISION_FLOAT64);
  EXPECT_EQ(MakeMeanLibraryId(library.info).value(), id);
}

TEST(MeanIdTest, ChangesWithModelDataAndEachOption) {
  std::set<std::string> ids;
  const auto add = [&ids](const auto& change) {
    MeanLibrary library = MakeLibrary();
    change(library.info);
    EXPECT_TRUE(ids.insert(MakeMeanLibraryId(library.info).value()).second) << library.info.DebugString();
  };
  add([](auto&) {});
  add([](auto& info) { info.set_weights_sha256("other"); });
  add([](auto& info) { info.set_data_sha256("other"); });
  add([](auto& info) { info.mutable_options()->set_mode(ablation::v1::MEAN_MODE_POOLED); });
  add([](auto& info) { info.mutable_options()->set_source(ablation::v1::MEAN_SOURCE_BOTH); });
  add([](auto& info) { info.mutable_options()->set_group_by_template(true); });
  add([](auto& info) { info.mutable_options()->set_prepend_bos(true); });
  add([](auto& info) { info.mutable_options()->set_include_first_position(false); });
  add([](auto& info) { info.mutable_options()->set_min_count(2); });
  // No float32 server is to answer with them.
  add([](auto& info) { info.set_precision(ablation::v1::PRECISION_BF16); });
  add([](auto& info) { info.set_precision(ablation::v1::PRECISION_TF32); });
  // Every option of the contract stands above: a new one must too.
  EXPECT_EQ(ablation::v1::MeanOptions::descriptor()->field_count(), 6);
}

TEST(MeanDataTest, EveryPartCounts) {
  const std::vector<std::vector<MeanPrompt>> data_sets = {
      {},
      {{"", {1, 2}, {}}},
      {{"", {}, {1, 2}}},
      {{"", {1}, {2}}},
      {{"t", {1, 2}, {}}},
      {{"", {2, 1}, {}}},
      {{"", {1, 2}, {}}, {"", {1, 2}, {}}},
      {{"", {1}, {}}, {"", {2}, {}}},
      {{"", {2}, {}}, {"", {1}, {}}},
  };
  std::set<std::string> hashes;
  for (const auto& data_set : data_sets) EXPECT_TRUE(hashes.insert(HashMeanData(data_set).value()).second);
  EXPECT_EQ(hashes.begin()->size(), 64U);
}

TEST(MeanDataTest, IsWhatItWas) {
  // A library that was computed yesterday must be found tomorrow: these change only with the version in the hashed
  // text.
  const std::vector<MeanPrompt> data_set = {{"ABB", {5, 6, 7}, {5, 6, 8}}};
  EXPECT_EQ(HashMeanData(data_set).value(), "5f5411c5a17f58c063bd8abb1b30635e2d4349e42a9985388955ca676f988082");
  EXPECT_EQ(MakeLibrary().info.id(), "aadb877b89b24725b5147cba414a7416");
}

TEST(MeanIdTest, KnowsWhatIsAnId) {
  EXPECT_TRUE(IsMeanLibraryId("0123456789abcdef0123456789abcdef"));
  EXPECT_FALSE(IsMeanLibraryId("0123456789abcdef0123456789abcde"));
  EXPECT_FALSE(IsMeanLibraryId("0123456789abcdef0123456789abcdef0"));
  EXPECT_FALSE(IsMeanLibraryId("0123456789ABCDEF0123456789abcdef"));
  EXPECT_FALSE(IsMeanLibraryId("../../../../../../../etc/passwd0"));
  EXPECT_FALSE(IsMeanLibraryId(""));
}

}  // namespace
}  // namespace ablate
