#include "engine/files/sha256.h"

#include <gtest/gtest.h>

#include <string_view>
#include <vector>

namespace ablate {
namespace {

std::string Hash(const std::vector<std::string_view>& texts) {
  std::vector<absl::Span<const uint8_t>> pieces;
  for (const std::string_view text : texts)
    pieces.emplace_back(reinterpret_cast<const uint8_t*>(text.data()), text.size());
  const auto hex = Sha256Hex(pieces);
  EXPECT_TRUE(hex.ok()) << hex.status();
  return hex.value_or("");
}

// FIPS 180-4's examples.
TEST(Sha256, AgreesWithTheStandardHoweverTheBytesAreCut) {
  EXPECT_EQ(Hash({}), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  const std::string abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
  EXPECT_EQ(Hash({"abc"}), abc);
  EXPECT_EQ(Hash({"a", "", "bc"}), abc);
  EXPECT_NE(Hash({"ab", "cc"}), abc);
}

}  // namespace
}  // namespace ablate
